import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { apiKeyOf, deleteProject, type Project, syncEmbeddedProject } from '../../registry/projects.ts'
import type { Partner } from '../../registry/registry.ts'
import { authenticatePartners, partnerOf } from '../auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors.ts'
import { errorAnswers, InstanceType, Name, PartnerParams, PartnerProjectParams, Region, Status } from '../schemas.ts'

/** Shapes: partner API documentation, "Sync Embedded Project" and "Delete Project". */
export function projectRoutes(parent: FastifyInstance, { registry }: ApiContext): void {
  parent.register(async (app) => {
    authenticatePartners(app, registry)
    const routes = app.withTypeProvider<ZodTypeProvider>()

    routes.post(
      '/partnership/v1/:partnerId/sync-embedded-project',
      {
        schema: {
          tags: ['projects'],
          summary: 'Create an embedded project, or find it again',
          description: 'Idempotent by name while the project lives. White-label partnerships only.',
          security: [{ partnerSecret: [] }],
          params: PartnerParams,
          body: z.strictObject({ project_name: Name, region: Region.optional(), instance_type: InstanceType.optional() }),
          response: { 200: SyncedProject, ...errorAnswers(400, 401, 403, 415, 429, 500, 503) },
        },
      },
      async (request) => {
        const partner = requireWhiteLabel(request)
        const { project_name, region, instance_type } = request.body
        const project = await syncEmbeddedProject(registry, partner.id, { name: project_name, region, instanceType: instance_type })
        return { success: true as const, project: connectionOf(project) }
      },
    )

    routes.delete(
      '/partnership/v1/:partnerId/:projectId',
      {
        schema: {
          tags: ['projects'],
          summary: 'Delete a project for good',
          description: 'Its usage stays and is billed; its status becomes `deleted`. White-label partnerships only.',
          security: [{ partnerSecret: [] }],
          params: PartnerProjectParams,
          body: z.strictObject({}).nullish(),
          response: { 200: z.object({ message: z.string(), requestId: z.string() }), ...errorAnswers(400, 401, 403, 404, 429, 500, 503) },
        },
      },
      async (request) => {
        const partner = requireWhiteLabel(request)
        const deleted = await deleteProject(registry, partner.id, request.params.projectId)
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
  })
}

function requireWhiteLabel(request: FastifyRequest): Partner {
  const partner = partnerOf(request)
  if (partner.mode !== 'white-label') throw new ApiError('MODE_NOT_ALLOWED', 'This call is for white-label partnerships; yours is co-branded.')
  return partner
}

const SyncedProject = z.object({
  success: z.literal(true),
  project: z.object({ id: z.string(), access_host: z.string(), api_key: z.string(), status: Status }),
})
