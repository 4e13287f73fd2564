import type { FastifyInstance } from 'fastify'
import { CONNECT_USER, GET_ACCOUNT_PROJECT_METADATA, SYNC_ACCOUNT_PROJECT } from '../../contract/co-branded.ts'
import { connectAccount } from '../../registry/change-accounts.ts'
import { apiKeyOf, findProject, type Project } from '../../registry/projects/project.ts'
import { FREE_ACTIVE_PROJECTS_MAX, syncAccountProject } from '../../registry/projects/sync-project.ts'
import { connectionOf } from '../answers/connection.ts'
import { CO_BRANDED_PARTNER } from '../auth/access.ts'
import { actorOf, partnerOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { addRoute } from '../route.ts'

export function connectUser(app: FastifyInstance, { registry }: ApiContext): void {
  addRoute(app, CONNECT_USER, { access: CO_BRANDED_PARTNER }, async (request) => {
    const { id } = await connectAccount(registry, actorOf(request), { partnerId: partnerOf(request).id, ...request.body })
    return { account: { id } }
  })
}

export function syncAccountProjectRoute(app: FastifyInstance, { registry, provisioner }: ApiContext): void {
  const connected = (project: Project) => connectionOf(project, apiKeyOf(registry, project))
  addRoute(app, SYNC_ACCOUNT_PROJECT, { access: CO_BRANDED_PARTNER }, async (request) => {
    const { project_name: name, region, instance_type: instanceType } = request.body
    const account = { partnerId: partnerOf(request).id, accountId: request.params.userId }
    const outcome = await syncAccountProject(registry, actorOf(request), { ...account, name, region, instanceType })
    if (outcome.status === 'account_not_found') throw new ApiError('ACCOUNT_NOT_FOUND')
    if (outcome.status === 'limit_reached') return { success: false as const, message: LIMIT_REACHED, candidate_projects: outcome.candidates.map(connected) }
    provisioner?.handOver(outcome.project)
    return { success: true as const, project: connected(outcome.project) }
  })
}

export function getAccountProjectMetadata(app: FastifyInstance, { registry }: ApiContext): void {
  addRoute(app, GET_ACCOUNT_PROJECT_METADATA, { access: CO_BRANDED_PARTNER, noStore: true }, async (request) => {
    const { userId, projectId } = request.params
    const project = await findProject(registry, projectId)
    if (project === undefined || !belongsTo(project, { partnerId: partnerOf(request).id, accountId: userId })) throw new ApiError('PROJECT_NOT_FOUND')
    return { project: connectionOf(project, apiKeyOf(registry, project)) }
  })
}

const LIMIT_REACHED = `Free plan allows up to ${FREE_ACTIVE_PROJECTS_MAX} active projects. Please upgrade your plan to create more projects.`

/** A project without an account belongs to no user, so an empty user id must not match it. */
function belongsTo({ partnerId, accountId, status }: Project, account: Pick<Project, 'partnerId' | 'accountId'>): boolean {
  return status !== 'deleted' && partnerId === account.partnerId && accountId !== '' && accountId === account.accountId
}
