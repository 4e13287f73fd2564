import type { FastifyInstance, FastifyRequest } from 'fastify'
import { readLastActivity } from '../../aggregator/usage/project-usage.ts'
import type { AnswerOf } from '../../contract/operation.ts'
import { DELETE_PROJECT, GET_PROJECT_METADATA, PAUSE_PROJECT, RESTORE_PROJECT, SYNC_EMBEDDED_PROJECT } from '../../contract/projects.ts'
import { instantOrNull } from '../../metering/timestamp.ts'
import { deleteProject, pauseProject, restoreProject } from '../../registry/projects/lifecycle.ts'
import { apiKeyOf, type Project } from '../../registry/projects/project.ts'
import { syncEmbeddedProject } from '../../registry/projects/sync-project.ts'
import { connectionOf } from '../answers/connection.ts'
import { WHITE_LABEL_PARTNER, WHITE_LABEL_PROJECT_READER } from '../auth/access.ts'
import { actorOf, partnerOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { requireLivingProjectOf, withProjectOf } from '../requests/require-project.ts'
import { addRoute } from '../route.ts'

export function syncEmbeddedProjectRoute(app: FastifyInstance, { registry, provisioner }: ApiContext): void {
  addRoute(app, SYNC_EMBEDDED_PROJECT, { access: WHITE_LABEL_PARTNER }, async (request) => {
    const { project_name: name, region, instance_type: instanceType } = request.body
    const project = await syncEmbeddedProject(registry, actorOf(request), { partnerId: partnerOf(request).id, name, region, instanceType })
    provisioner?.handOver(project)
    return { success: true as const, project: connectionOf(project, apiKeyOf(registry, project)) }
  })
}

export function getProjectMetadata(app: FastifyInstance, { registry, limitedReads, rememberedUsage }: ApiContext): void {
  addRoute(app, GET_PROJECT_METADATA, { access: WHITE_LABEL_PROJECT_READER, noStore: true, sharesStatements: () => true }, async (request) => {
    const of = projectInPath(request)
    const [project, lastActivityMs] = await withProjectOf(registry, of, requireLivingProjectOf, () =>
      rememberedUsage.readLastActivity(of.projectId, () => readLastActivity(limitedReads, of.projectId)),
    )
    return {
      project: {
        ...connectionOf(project, apiKeyOf(registry, project)),
        region: project.region,
        instance_type: project.instanceType,
        last_activity_at: instantOrNull(lastActivityMs),
      },
    }
  })
}

export function pauseProjectRoute(app: FastifyInstance, { registry, provisioner }: ApiContext): void {
  addRoute(app, PAUSE_PROJECT, { access: WHITE_LABEL_PARTNER }, async (request) =>
    lifecycleAnswer(provisioner, await pauseProject(registry, actorOf(request), projectInPath(request)), waits(request)),
  )
}

export function restoreProjectRoute(app: FastifyInstance, { registry, provisioner }: ApiContext): void {
  addRoute(app, RESTORE_PROJECT, { access: WHITE_LABEL_PARTNER }, async (request) =>
    lifecycleAnswer(provisioner, await restoreProject(registry, actorOf(request), projectInPath(request)), waits(request)),
  )
}

export function deleteProjectRoute(app: FastifyInstance, { registry, provisioner }: ApiContext): void {
  addRoute(app, DELETE_PROJECT, { access: WHITE_LABEL_PARTNER }, async (request) => {
    const deleted = await deleteProject(registry, actorOf(request), projectInPath(request))
    if (deleted === undefined) throw new ApiError('PROJECT_NOT_FOUND')
    provisioner?.handOver(deleted)
    return { message: 'Project deleted successfully', requestId: request.id }
  })
}

/** A stopping service does not wait for the platform. It answers waiting requests with 503, which says that the change continues. */
export function endProvisioningWaitsOnClose(app: FastifyInstance, { provisioner }: ApiContext): void {
  app.addHook('preClose', async () => provisioner?.endWaits())
}

type ProjectRequest = FastifyRequest<{ Params: { projectId: string } }>

function projectInPath(request: ProjectRequest) {
  return { partnerId: partnerOf(request).id, projectId: request.params.projectId }
}

function waits({ body }: { readonly body?: { readonly wait_for_completion?: boolean | undefined } | null | undefined }): boolean {
  return body?.wait_for_completion === true
}

async function lifecycleAnswer(provisioner: ApiContext['provisioner'], project: Project | undefined, wait: boolean): Promise<AnswerOf<typeof PAUSE_PROJECT>> {
  if (project === undefined) throw new ApiError('PROJECT_NOT_FOUND')
  provisioner?.handOver(project)
  if (!wait || provisioner === undefined) return { project: { id: project.id, status: project.status } }
  const state = await provisioner.provisioned(project)
  if (state === undefined) throw new ApiError('PROVISIONING')
  if (state.status === 'deleted') throw new ApiError('PROJECT_NOT_FOUND')
  return { project: { id: project.id, status: state.status } }
}
