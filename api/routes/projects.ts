import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { readLastActivity } from '../../aggregator/usage/project-usage.ts'
import { Connection, InstanceTypeField, Instant, Name, PartnerParams, PartnerProjectParams, RegionField, Status } from '../../contract/fields.ts'
import { instantOrNull } from '../../metering/timestamp.ts'
import { deleteProject, pauseProject, restoreProject } from '../../registry/projects/lifecycle.ts'
import { apiKeyOf, findLivingProject, type Project } from '../../registry/projects/project.ts'
import { syncEmbeddedProject } from '../../registry/projects/sync-project.ts'
import { connectionOf } from '../answers/connection.ts'
import { errorAnswers } from '../answers/error-answers.ts'
import { WHITE_LABEL_PARTNER, WHITE_LABEL_PROJECT_READER } from '../auth/access.ts'
import { actorOf, partnerOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'

/** Shapes: partner API documentation, "Sync Embedded Project" to "Delete Project". */
export function projectRoutes(app: FastifyInstance, { registry, limitedReads, provisioner }: ApiContext): void {
  const routes = app.withTypeProvider<ZodTypeProvider>()
  // A stop does not wait for the platform: whoever waits for it is told that it goes on.
  app.addHook('preClose', async () => provisioner?.endWaits())

  routes.post(
    '/partnership/v1/:partnerId/sync-embedded-project',
    {
      config: { access: WHITE_LABEL_PARTNER },
      schema: {
        tags: ['projects'],
        summary: 'Create an embedded project, or find it again',
        description: 'Idempotent by name while the project lives. White-label partnerships only.',
        params: PartnerParams,
        body: z.strictObject({ project_name: Name, region: RegionField.optional(), instance_type: InstanceTypeField.optional() }),
        response: { 200: SyncedProject, ...errorAnswers(400, 401, 403, 415, 429, 500, 503) },
      },
    },
    async (request) => {
      const partner = partnerOf(request)
      const { project_name, region, instance_type } = request.body
      const project = await syncEmbeddedProject(registry, actorOf(request), { partnerId: partner.id, name: project_name, region, instanceType: instance_type })
      provisioner?.handOver(project)
      return { success: true as const, project: connectionOf(project, apiKeyOf(registry, project)) }
    },
  )

  routes.get(
    '/partnership/v1/:partnerId/:projectId/metadata',
    {
      config: { access: WHITE_LABEL_PROJECT_READER, noStore: true },
      schema: {
        tags: ['projects'],
        summary: 'How a project is reached, and how it is',
        description: 'Also with the ten-minute code of the project. White-label partnerships only.',
        params: PartnerProjectParams,
        response: { 200: z.object({ project: Metadata }), ...errorAnswers(400, 401, 403, 404, 429, 500, 503) },
      },
    },
    async (request) => {
      const project = await findLivingProject(registry, asked(request, request.params.projectId))
      if (project === undefined) throw new ApiError('PROJECT_NOT_FOUND')
      const lastActivityMs = await readLastActivity(limitedReads, project.id)
      return {
        project: {
          ...connectionOf(project, apiKeyOf(registry, project)),
          region: project.region,
          instance_type: project.instanceType,
          last_activity_at: instantOrNull(lastActivityMs),
        },
      }
    },
  )

  for (const { verb, summary, change } of [
    { verb: 'pause', summary: 'Pause a project', change: pauseProject },
    { verb: 'restore', summary: 'Restore a paused project', change: restoreProject },
  ]) {
    routes.post(
      `/partnership/v1/:partnerId/:projectId/${verb}`,
      {
        config: { access: WHITE_LABEL_PARTNER },
        schema: {
          tags: ['projects'],
          summary,
          description:
            'Idempotent. `status` is the project’s at the time of the answer: without `wait_for_completion` the platform may still be at it. White-label partnerships only.',
          params: PartnerProjectParams,
          body: LifecycleBody,
          response: { 200: LifecycleAnswer, ...errorAnswers(400, 401, 403, 404, 415, 429, 500, 503) },
        },
      },
      async (request) => {
        const project = await change(registry, actorOf(request), asked(request, request.params.projectId))
        if (project === undefined) throw new ApiError('PROJECT_NOT_FOUND')
        provisioner?.handOver(project)
        return { project: request.body?.wait_for_completion === true ? await completed(project) : { id: project.id, status: project.status } }
      },
    )
  }

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
      const deleted = await deleteProject(registry, actorOf(request), asked(request, request.params.projectId))
      if (deleted === undefined) throw new ApiError('PROJECT_NOT_FOUND')
      provisioner?.handOver(deleted)
      return { message: 'Project deleted successfully', requestId: request.id }
    },
  )

  const asked = (request: FastifyRequest, projectId: string) => ({ partnerId: partnerOf(request).id, projectId })

  const completed = async (project: Project) => {
    if (provisioner === undefined) return { id: project.id, status: project.status }
    const state = await provisioner.provisioned(project)
    if (state === undefined) throw new ApiError('PROVISIONING')
    if (state.status === 'deleted') throw new ApiError('PROJECT_NOT_FOUND')
    return { id: project.id, status: state.status }
  }
}

const SyncedProject = z.object({ success: z.literal(true), project: Connection })

const Metadata = Connection.extend({
  region: RegionField,
  instance_type: InstanceTypeField,
  last_activity_at: Instant.nullable().meta({ description: 'The latest timestamp of its usage; null before the first.' }),
})

const LifecycleBody = z
  .strictObject({
    wait_for_completion: z
      .boolean()
      .optional()
      .meta({ description: 'Answer when the platform has done it, or 503 after 30 seconds, when it goes on by itself.' }),
  })
  .nullish()

const LifecycleAnswer = z.object({ project: z.object({ id: z.string(), status: Status }) })
