import type { FastifyInstance } from 'fastify'
import { GET_PROJECT, LIST_PROJECTS } from '../../contract/admin-projects.ts'
import type { AnswerOf } from '../../contract/operation.ts'
import { formatTimestamp } from '../../metering/timestamp.ts'
import { listRegisteredProjects, type RegisteredProject } from '../../registry/projects/list-projects.ts'
import { findProject } from '../../registry/projects/project.ts'
import { registeredProjectAnswer } from '../answers/registered-project.ts'
import { FINANCE } from '../auth/access.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { pageOf, requireTimeCursor, writeTimeCursor } from '../requests/cursor.ts'
import { requireKnownPartner } from '../requests/require-partner.ts'
import { addRoute } from '../route.ts'

export function listProjectsRoute(app: FastifyInstance, { limitedReads, registry }: ApiContext): void {
  addRoute(app, LIST_PROJECTS, { access: FINANCE }, async (request) => {
    const { partner_id, status, region, search, limit, cursor } = request.query
    const query = ['projects', partner_id, status, region, search]
    const after = requireTimeCursor(cursor, query)
    if (partner_id !== undefined) await requireKnownPartner(registry, partner_id)
    const projects = await listRegisteredProjects(limitedReads, { partnerId: partner_id ?? '', status, region, search, after, limit: limit + 1 })
    const { shown, next_cursor } = pageOf(projects, limit, (last) => writeTimeCursor(query, last))
    return { projects: shown.map(projectAnswer), next_cursor }
  })
}

export function getProject(app: FastifyInstance, { registry }: ApiContext): void {
  addRoute(app, GET_PROJECT, { access: FINANCE }, async (request) => {
    const project = await findProject(registry, request.params.projectId)
    if (project === undefined) throw new ApiError('PROJECT_NOT_FOUND')
    return { project: projectAnswer(project) }
  })
}

function projectAnswer(project: RegisteredProject): AnswerOf<typeof GET_PROJECT>['project'] {
  const { accountId, createdMs } = project
  return { ...registeredProjectAnswer(project), account_id: accountId === '' ? null : accountId, created_at: formatTimestamp(createdMs) }
}
