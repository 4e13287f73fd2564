import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { deleteProject } from '../../registry/projects/lifecycle.ts'
import { apiKeyOf, type Project } from '../../registry/projects/project.ts'
import { syncEmbeddedProject } from '../../registry/projects/sync-project.ts'
import { WHITE_LABEL_PARTNER } from '../access.ts'
import { actorOf, partnerOf } from '../auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors.ts'
import { errorAnswers, InstanceType, Name, PartnerParams, PartnerProjectParams, Region, Status } from '../schemas.ts'

/** Shapes: partner API documentation, "Sync Embedded Project" and "Delete Project". */
export function projectRoutes(app: FastifyInstance, { registry }: ApiContext): void {
  const routes = app.withTypeProvider<ZodTypeProvider>()

  routes.post(
    '/partnership/v1/:partnerId/sync-embedded-project',
    {
      config: { access: WHITE_LABEL_PARTNER },
      schema: {
        tags: ['projects'],
        summary: 'Create an embedded project, or find it again',
        description: 'Idempotent by name while the project lives. White-label partnerships only.',
        params: PartnerParams,
        body: z.strictObject({ project_name: Name, region: Region.optional(), instance_type: InstanceType.optional() }),
        response: { 200: SyncedProject, ...errorAnswers(400, 401, 403, 415, 429, 500, 503) },
      },
    },
    async (request) => {
      const partner = partnerOf(request)
      const { project_name, region, instance_type } = request.body
      const project = await syncEmbeddedProject(registry, actorOf(request), { partnerId: partner.id, name: project_name, region, instanceType: instance_type })
      return { success: true as const, project: connectionOf(project) }
    },
  )

  routes.delete(
    '/partnership/v1/:partnerId/:projectId',
    {
      config: { access: WHITE_LABEL_PARTNER },
      schema: {
        tags: ['projects'],
        summary: 'Delete a project for good',
        description: 'Its usage stays and is billed; its status becomes `deleted`. White-label partnerships only.',
        params: PartnerProjectParams,
        body: z.strictObject({}).nullish(),
        response: { 200: z.object({ message: z.string(), requestId: z.string() }), ...errorAnswers(400, 401, 403, 404, 429, 500, 503) },
      },
    },
    async (request) => {
      const partner = partnerOf(request)
      const deleted = await deleteProject(registry, actorOf(request), { partnerId: partner.id, projectId: request.params.projectId })
      if (deleted === undefined) throw new ApiError('PROJECT_NOT_FOUND')
      return { message: 'Project deleted successfully', requestId: request.id }
    },
  )

  const connectionOf = (project: Project) => ({
    id: project.id,
    access_host: project.accessHost,
    api_key: apiKeyOf(registry, project),
    status: project.status,
  })
}

const SyncedProject = z.object({
  success: z.literal(true),
  project: z.object({ id: z.string(), access_host: z.string(), api_key: z.string(), status: Status }),
})
