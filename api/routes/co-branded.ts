import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { Connection, InstanceTypeField, Name, PartnerParams, PathId, RegionField } from '../../contract/fields.ts'
import { connectAccount } from '../../registry/accounts.ts'
import { apiKeyOf, findProject, type Project } from '../../registry/projects/project.ts'
import { FREE_ACTIVE_PROJECTS_MAX, syncAccountProject } from '../../registry/projects/sync-project.ts'
import { connectionOf } from '../answers/connection.ts'
import { errorAnswers } from '../answers/error-answers.ts'
import { CO_BRANDED_PARTNER } from '../auth/access.ts'
import { actorOf, partnerOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'

/** Shapes: partner API documentation, "Co-Branded APIs". */
export function coBrandedRoutes(app: FastifyInstance, { registry, provisioner }: ApiContext): void {
  const routes = app.withTypeProvider<ZodTypeProvider>()

  routes.post(
    '/partnership/v1/:partnerId/connect-user',
    {
      config: { access: CO_BRANDED_PARTNER },
      schema: {
        tags: ['projects'],
        summary: 'Make an account for a user, or find it again',
        description: 'Idempotent by email, whatever its case; another name applies. Co-branded partnerships only.',
        params: PartnerParams,
        body: z.strictObject({ name: Name, email: Email }),
        response: { 200: z.object({ account: z.object({ id: z.string() }) }), ...errorAnswers(400, 401, 403, 415, 429, 500, 503) },
      },
    },
    async (request) => {
      const { id } = await connectAccount(registry, actorOf(request), { partnerId: partnerOf(request).id, ...request.body })
      return { account: { id } }
    },
  )

  routes.post(
    '/partnership/v1/:partnerId/:userId/sync-project',
    {
      config: { access: CO_BRANDED_PARTNER },
      schema: {
        tags: ['projects'],
        summary: 'Create a project of a user, or find it again',
        description:
          'Idempotent by name while the project lives. At the limit of the user’s plan `success` is false, and `candidate_projects` are the active projects that may do instead. Co-branded partnerships only.',
        params: z.object({ partnerId: PathId, userId: PathId }),
        body: z.strictObject({ project_name: Name, region: RegionField.optional(), instance_type: InstanceTypeField.optional() }),
        response: { 200: SyncAnswer, ...errorAnswers(400, 401, 403, 404, 415, 429, 500, 503) },
      },
    },
    async (request) => {
      const { project_name: name, region, instance_type: instanceType } = request.body
      const place = { partnerId: partnerOf(request).id, accountId: request.params.userId }
      const outcome = await syncAccountProject(registry, actorOf(request), { ...place, name, region, instanceType })
      if (outcome.status === 'account_not_found') throw new ApiError('ACCOUNT_NOT_FOUND')
      if (outcome.status === 'limit_reached') return { success: false as const, message: LIMIT_REACHED, candidate_projects: outcome.candidates.map(connected) }
      provisioner?.handOver(outcome.project)
      return { success: true as const, project: connected(outcome.project) }
    },
  )

  routes.get(
    '/partnership/v1/:partnerId/:userId/:projectId/metadata',
    {
      config: { access: CO_BRANDED_PARTNER, noStore: true },
      schema: {
        tags: ['projects'],
        summary: 'How a project of a user is reached',
        description: 'Co-branded partnerships only.',
        params: z.object({ partnerId: PathId, userId: PathId, projectId: PathId }),
        response: { 200: z.object({ project: Connection }), ...errorAnswers(400, 401, 403, 404, 429, 500, 503) },
      },
    },
    async (request) => {
      const { userId, projectId } = request.params
      const project = await findProject(registry, projectId)
      if (project === undefined || !isOf(project, { partnerId: partnerOf(request).id, accountId: userId })) throw new ApiError('PROJECT_NOT_FOUND')
      return { project: connected(project) }
    },
  )

  const connected = (project: Project) => connectionOf(project, apiKeyOf(registry, project))
}

/** A project without an account is no user's, not even of one without an id. */
function isOf({ partnerId, accountId, status }: Project, asked: Pick<Project, 'partnerId' | 'accountId'>): boolean {
  return status !== 'deleted' && partnerId === asked.partnerId && accountId !== '' && accountId === asked.accountId
}

const EMAIL_CHARACTERS_MAX = 254

/**
 * Judged before it is made lower case: only ASCII passes, and of that no two letters become one, as the Kelvin sign and k
 * would, which would give one user the account of another.
 */
const Email = z.string().trim().pipe(z.email().max(EMAIL_CHARACTERS_MAX).toLowerCase())

const LIMIT_REACHED = `Free plan allows up to ${FREE_ACTIVE_PROJECTS_MAX} active projects. Please upgrade your plan to create more projects.`

const SyncAnswer = z.discriminatedUnion('success', [
  z.object({ success: z.literal(true), project: Connection }),
  z.object({ success: z.literal(false), message: z.string(), candidate_projects: z.array(Connection) }),
])
