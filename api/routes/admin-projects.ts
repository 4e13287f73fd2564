import type { FastifyInstance } from 'fastify'
import { GET_PROJECT, LIST_PROJECTS, REGISTER_PROJECT } from '../../contract/admin-projects.ts'
import type { AnswerOf } from '../../contract/operation.ts'
import { isProjectId } from '../../metering/event.ts'
import { formatTimestamp, instantOrNull, parseTimestamp } from '../../metering/timestamp.ts'
import { listRegisteredProjects, type RegisteredProject } from '../../registry/projects/list-projects.ts'
import { findProject, RESERVED_PROJECT_IDS } from '../../registry/projects/project.ts'
import { registerProject } from '../../registry/projects/register-project.ts'
import { FINANCE, OPERATOR } from '../auth/access.ts'
import { actorOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { pageOf, requireTimeCursor, writeTimeCursor } from '../requests/cursor.ts'
import { requireKnownPartner } from '../requests/require-partner.ts'
import { addRoute } from '../route.ts'

export function registerProjectRoute(app: FastifyInstance, { registry }: ApiContext): void {
  addRoute(app, REGISTER_PROJECT, { access: OPERATOR }, async (request, reply) => {
    const projectId = requireProjectId(request.params.projectId)
    const { partner_id, account_id, name, region, instance_type, status, deleted_at } = request.body
    const partner = await requireKnownPartner(registry, partner_id)
    if (account_id !== undefined && partner.mode !== 'co-branded')
      throw new ApiError('INVALID_REQUEST', 'body.account_id: only co-branded partners have accounts, and this one is white-label. Leave it out.')
    const outcome = await registerProject(registry, actorOf(request), {
      projectId,
      partnerId: partner_id,
      accountId: account_id,
      name,
      region,
      instanceType: instance_type,
      status,
      deletedMs: deleted_at === undefined ? undefined : parseTimestamp(deleted_at),
    })
    if (outcome.status === 'partner_changed') throw new ApiError('PARTNER_CHANGED')
    if (outcome.status === 'account_not_found') throw new ApiError('ACCOUNT_NOT_FOUND')
    if (outcome.status === 'account_changed') throw new ApiError('ACCOUNT_CHANGED')
    if (outcome.status === 'already_deleted') throw new ApiError('ALREADY_DELETED')
    if (outcome.status === 'name_taken') throw new ApiError('NAME_TAKEN')
    reply.code(outcome.status === 'created' ? 201 : 200)
    return { project: registrationAnswer(outcome.project) }
  })
}

export function listProjectsRoute(app: FastifyInstance, { limitedReads, registry }: ApiContext): void {
  addRoute(app, LIST_PROJECTS, { access: FINANCE }, async (request) => {
    const { partner_id, status, search, limit, cursor } = request.query
    const query = ['projects', partner_id, status, search]
    const after = requireTimeCursor(cursor, query)
    if (partner_id !== undefined) await requireKnownPartner(registry, partner_id)
    const projects = await listRegisteredProjects(limitedReads, { partnerId: partner_id ?? '', status, search, after, limit: limit + 1 })
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

function registrationAnswer(project: Omit<RegisteredProject, 'accountId' | 'createdMs'>): AnswerOf<typeof REGISTER_PROJECT>['project'] {
  const { id, partnerId, name, status, region, instanceType, deletedMs } = project
  return { id, partner_id: partnerId, name, status, region, instance_type: instanceType, deleted_at: instantOrNull(deletedMs) }
}

function projectAnswer(project: RegisteredProject): AnswerOf<typeof GET_PROJECT>['project'] {
  const { accountId, createdMs } = project
  return { ...registrationAnswer(project), account_id: accountId === '' ? null : accountId, created_at: formatTimestamp(createdMs) }
}

function requireProjectId(projectId: string): string {
  if (!isProjectId(projectId)) throw new ApiError('INVALID_REQUEST', 'A project id has 1 to 128 of the characters A-Z a-z 0-9 _ . : -')
  if (RESERVED_PROJECT_IDS.includes(projectId))
    throw new ApiError('INVALID_REQUEST', `"${projectId}" is reserved for paths of the API and cannot be a project id.`)
  return projectId
}
