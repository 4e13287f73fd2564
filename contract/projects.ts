import { z } from 'zod'
import { API_KEY, PROJECT_ID, PROJECT_NAME } from './example-values.ts'
import { Connection, InstanceTypeField, Instant, Name, PartnerParams, PartnerProjectParams, RegionField, Status } from './fields.ts'
import { defineOperation } from './operation.ts'

/** Source of the shapes: partner API documentation, "Sync Embedded Project" to "Delete Project". */

export const ProjectSync = z.strictObject({ project_name: Name, region: RegionField.optional(), instance_type: InstanceTypeField.optional() })

const Metadata = Connection.extend({
  region: RegionField,
  instance_type: InstanceTypeField,
  last_activity_at: Instant.nullable().meta({ description: 'The latest timestamp of the project’s events; null before the first event.' }),
})

const LifecycleBody = z
  .strictObject({
    wait_for_completion: z
      .boolean()
      .optional()
      .meta({ description: 'Wait until the platform has confirmed the change. After 30 seconds the answer is 503, and the change continues.' }),
  })
  .nullish()

const LifecycleAnswer = z.object({ project: z.object({ id: z.string(), status: Status }) })

const LIFECYCLE_DESCRIPTION =
  'Idempotent. `status` is the project’s status at the time of the answer: without `wait_for_completion` the platform may not have finished yet. White-label partnerships only.'

export const SYNC_EXAMPLE = { project_name: PROJECT_NAME, region: 'eu-central', instance_type: 'small' }
export const CONNECTION_EXAMPLE = {
  id: PROJECT_ID,
  access_host: 'https://shop-production-3f8a11c2.eu-central.projects.example.com',
  api_key: API_KEY,
  status: 'active',
}

export const SYNC_EMBEDDED_PROJECT = defineOperation({
  method: 'POST',
  path: '/partnership/v1/:partnerId/sync-embedded-project',
  tag: 'projects',
  summary: 'Create an embedded project, or find the existing one',
  description: 'Idempotent by name until the project is deleted. White-label partnerships only.',
  params: PartnerParams,
  body: ProjectSync,
  answers: { 200: z.object({ success: z.literal(true), project: Connection }) },
  errors: { 400: true, 401: true, 403: true, 404: 'NOT_FOUND', 413: true, 415: true, 429: true, 500: true, 503: true },
  example: { request: SYNC_EXAMPLE, answers: { 200: { success: true, project: CONNECTION_EXAMPLE } } },
})

export const GET_PROJECT_METADATA = defineOperation({
  method: 'GET',
  path: '/partnership/v1/:partnerId/:projectId/metadata',
  tag: 'projects',
  summary: 'Get the connection details and the status of a project',
  description: 'The ten-minute code of the project is accepted too. White-label partnerships only.',
  params: PartnerProjectParams,
  answers: { 200: z.object({ project: Metadata }) },
  errors: { 400: true, 401: true, 403: true, 404: 'PROJECT_NOT_FOUND', 429: true, 500: true, 503: true },
  example: {
    answers: { 200: { project: { ...CONNECTION_EXAMPLE, region: 'eu-central', instance_type: 'small', last_activity_at: '2026-02-04T09:29:41.250Z' } } },
  },
})

export const PAUSE_PROJECT = defineOperation({
  method: 'POST',
  path: '/partnership/v1/:partnerId/:projectId/pause',
  tag: 'projects',
  summary: 'Pause a project',
  description: LIFECYCLE_DESCRIPTION,
  params: PartnerProjectParams,
  body: LifecycleBody,
  answers: { 200: LifecycleAnswer },
  errors: { 400: true, 401: true, 403: true, 404: 'PROJECT_NOT_FOUND', 413: true, 415: true, 429: true, 500: true, 503: 'PROVISIONING' },
  example: { request: { wait_for_completion: true }, answers: { 200: { project: { id: PROJECT_ID, status: 'paused' } } } },
})

export const RESTORE_PROJECT = defineOperation({
  ...PAUSE_PROJECT,
  path: '/partnership/v1/:partnerId/:projectId/restore',
  summary: 'Restore a paused project',
  example: { request: { wait_for_completion: true }, answers: { 200: { project: { id: PROJECT_ID, status: 'active' } } } },
})

export const DELETE_PROJECT = defineOperation({
  method: 'DELETE',
  path: '/partnership/v1/:partnerId/:projectId',
  tag: 'projects',
  summary: 'Delete a project permanently',
  description: 'Its usage stays and is billed; its status becomes `deleted`. White-label partnerships only.',
  params: PartnerProjectParams,
  body: z.strictObject({}).nullish(),
  answers: { 200: z.object({ message: z.string(), requestId: z.string() }) },
  errors: { 400: true, 401: true, 403: true, 404: 'PROJECT_NOT_FOUND', 413: true, 415: true, 429: true, 500: true, 503: true },
  example: {
    request: {},
    answers: { 200: { message: 'Project deleted successfully', requestId: '5a0c3a4e-7a54-4c1f-8e3e-9a0f5a9f1c11' } },
  },
})
