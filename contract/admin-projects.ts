import { z } from 'zod'
import { TIMESTAMP_AHEAD_MS_MAX, TIMESTAMP_MIN_MS } from '../metering/event.ts'
import { parseTimestamp } from '../metering/timestamp.ts'
import { ERRORS } from './errors.ts'
import { CREATED_AT, PARTNER_ID, PROJECT_ID, PROJECT_NAME } from './example-values.ts'
import { InstanceTypeField, Instant, Name, PathId, ProjectSearch, RegionField, Status } from './fields.ts'
import type { ProjectStatus } from './lists.ts'
import { defineOperation } from './operation.ts'
import { NextCursor, PageQuery } from './pages.ts'

const ProjectParams = z.object({ projectId: PathId })

/** The most projects of one POST /admin/v1/projects/batch. */
export const PROJECTS_PER_BATCH_MAX = 1_000
/** Enough for as many projects whose id and name are as long as allowed, with every character escaped. */
export const PROJECTS_BODY_BYTES_MAX = 2 * 1024 * 1024

const RegistrationFields = {
  partner_id: z.string(),
  account_id: z.string().optional().meta({ description: 'One of the partner’s accounts. Co-branded partners only; it never changes.' }),
  name: Name,
  region: RegionField.optional(),
  instance_type: InstanceTypeField.optional(),
  status: Status.optional(),
  deleted_at: z.string().refine(isPast, 'must be an RFC 3339 date-time with a zone, from 2000-01-01 to now').optional(),
}
const isDeletedIfTimed = (body: { deleted_at?: string | undefined; status?: ProjectStatus | undefined }) =>
  body.deleted_at === undefined || body.status === 'deleted'
const DELETED_ONLY = { path: ['deleted_at'], message: 'is only allowed with status "deleted"' }

const ProjectRegistration = z.strictObject(RegistrationFields).refine(isDeletedIfTimed, DELETED_ONLY)

/** One project of a batch. The server validates each alone, so that an invalid one does not reject the others. */
export const ProjectOfBatch = z.strictObject({ id: z.string(), ...RegistrationFields }).refine(isDeletedIfTimed, DELETED_ONLY)

/** The store would silently change a time that it cannot hold. */
function isPast(text: string): boolean {
  const instantMs = parseTimestamp(text)
  return instantMs !== undefined && instantMs >= TIMESTAMP_MIN_MS && instantMs <= Date.now() + TIMESTAMP_AHEAD_MS_MAX
}

const ProjectFields = {
  id: z.string(),
  partner_id: z.string(),
  name: z.string(),
  status: Status,
  region: RegionField,
  instance_type: InstanceTypeField,
  deleted_at: Instant.nullable(),
}
const RegistrationAnswer = z.object({ project: z.object(ProjectFields) })
const AccountId = z.string().nullable().meta({ description: 'Null when the project belongs to no account of its partner.' })
const Project = z.object({ ...ProjectFields, account_id: AccountId, created_at: Instant })

const PROJECT = {
  id: PROJECT_ID,
  partner_id: PARTNER_ID,
  name: PROJECT_NAME,
  status: 'active',
  region: 'eu-central',
  instance_type: 'small',
  deleted_at: null,
}
const STORED_PROJECT = { ...PROJECT, account_id: null, created_at: CREATED_AT }

export const REGISTER_PROJECT = defineOperation({
  method: 'PUT',
  path: '/admin/v1/projects/:projectId',
  tag: 'admin',
  summary: 'Register a project that already exists on the platform, or change it',
  description: 'Usage that arrived before the registration belongs to the partner from now on. A project never changes its partner and never leaves `deleted`.',
  params: ProjectParams,
  body: ProjectRegistration,
  answers: { 200: RegistrationAnswer, 201: RegistrationAnswer },
  errors: { 400: true, 401: true, 403: true, 404: 'PARTNER_NOT_FOUND', 409: 'PARTNER_CHANGED', 413: true, 415: true, 429: true, 500: true, 503: true },
  example: {
    request: { partner_id: PARTNER_ID, name: PROJECT_NAME, region: PROJECT.region, instance_type: PROJECT.instance_type },
    answers: { 200: { project: PROJECT }, 201: { project: PROJECT } },
  },
})

const { $schema: _, ...projectOfBatchSchema } = z.toJSONSchema(ProjectOfBatch, { io: 'input' })
const ProjectBatch = z.strictObject({
  projects: z.array(z.unknown().meta(projectOfBatchSchema)).min(1).max(PROJECTS_PER_BATCH_MAX),
})
const Count = z.number().int()
const BatchAnswer = z.object({
  created: Count,
  updated: Count,
  unchanged: Count,
  rejected: Count,
  projects: z.array(
    z.discriminatedUnion('outcome', [
      z.object({ index: Count, id: z.string(), outcome: z.enum(['created', 'updated', 'unchanged']) }),
      z.object({
        index: Count.meta({ description: 'Position in the request, starting at 0.' }),
        id: z.string().nullable(),
        outcome: z.literal('rejected'),
        code: z.string().meta({ description: 'The same codes as of a single registration.' }),
        message: z.string(),
      }),
    ]),
  ),
})

export const REGISTER_PROJECTS = defineOperation({
  method: 'POST',
  path: '/admin/v1/projects/batch',
  tag: 'admin',
  summary: 'Register or change many projects that already exist on the platform',
  description: `At most ${PROJECTS_PER_BATCH_MAX} projects and ${PROJECTS_BODY_BYTES_MAX} bytes. Each project is registered in its order and separately, like with PUT: rejected ones are listed with the reason and do not affect the others. After a 503 or without an answer, send the whole request again; what was registered is then \`unchanged\`.`,
  body: ProjectBatch,
  answers: { 200: BatchAnswer },
  errors: { 400: true, 401: true, 403: true, 413: true, 415: true, 429: true, 500: true, 503: true },
  example: {
    request: { projects: [{ id: PROJECT_ID, partner_id: PARTNER_ID, name: PROJECT_NAME, region: PROJECT.region, instance_type: PROJECT.instance_type }] },
    answers: {
      200: {
        created: 1,
        updated: 0,
        unchanged: 0,
        rejected: 1,
        projects: [
          { index: 0, id: PROJECT_ID, outcome: 'created' },
          { index: 1, id: 'p2', outcome: 'rejected', code: 'NAME_TAKEN', message: ERRORS.NAME_TAKEN.message },
        ],
      },
    },
  },
})

export const LIST_PROJECTS = defineOperation({
  method: 'GET',
  path: '/admin/v1/projects',
  tag: 'admin',
  summary: 'List all projects, or those of one partner, oldest first',
  description: 'Deleted projects are included.',
  query: PageQuery.extend({
    partner_id: PathId.min(1).optional(),
    status: Status.optional().meta({ description: 'Only projects with this status. Default: all, including deleted ones.' }),
    region: RegionField.optional().meta({ description: 'Only projects in this region. Default: all.' }),
    search: ProjectSearch,
  }),
  answers: { 200: z.object({ projects: z.array(Project), next_cursor: NextCursor }) },
  errors: { 400: true, 401: true, 403: true, 404: 'PARTNER_NOT_FOUND', 429: true, 500: true, 503: true },
  example: { answers: { 200: { projects: [STORED_PROJECT], next_cursor: null } } },
})

export const GET_PROJECT = defineOperation({
  method: 'GET',
  path: '/admin/v1/projects/:projectId',
  tag: 'admin',
  summary: 'Get a project of any partner',
  params: ProjectParams,
  answers: { 200: z.object({ project: Project }) },
  errors: { 400: true, 401: true, 403: true, 404: 'PROJECT_NOT_FOUND', 429: true, 500: true, 503: true },
  example: { answers: { 200: { project: STORED_PROJECT } } },
})
