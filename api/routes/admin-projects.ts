import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { InstanceTypeField, Instant, Name, PathId, ProjectSearch, RegionField, Status } from '../../contract/fields.ts'
import { NextCursor, PageQuery } from '../../contract/pages.ts'
import { isProjectId, TIMESTAMP_AHEAD_MS_MAX, TIMESTAMP_MIN_MS } from '../../metering/event.ts'
import { formatTimestamp, instantOrNull, parseTimestamp } from '../../metering/timestamp.ts'
import { findPartner } from '../../registry/partners.ts'
import { listRegisteredProjects, type RegisteredProject } from '../../registry/projects/list-projects.ts'
import { findProject, RESERVED_PROJECT_IDS } from '../../registry/projects/project.ts'
import { registerProject } from '../../registry/projects/register-project.ts'
import { errorAnswers } from '../answers/error-answers.ts'
import { FINANCE, OPERATOR } from '../auth/access.ts'
import { actorOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { pageOf, requireTimeCursor, writeTimeCursor } from '../requests/cursor.ts'
import { requireKnownPartner } from '../requests/require-partner.ts'

/** The operator's view of projects: those that the platform has already are registered here. */
export function adminProjectRoutes(app: FastifyInstance, { clickhouse, registry }: ApiContext): void {
  const routes = app.withTypeProvider<ZodTypeProvider>()
  const common = { tags: ['admin'] }

  routes.put(
    '/admin/v1/projects/:projectId',
    {
      config: { access: OPERATOR },
      schema: {
        ...common,
        summary: 'Register a project that the platform has already, or change it',
        description: 'Usage that arrived before is the partner’s from now on. A project never changes its partner and never leaves `deleted`.',
        params: z.object({ projectId: PathId }),
        body: ProjectRegistration,
        response: { 200: ProjectRegistered, 201: ProjectRegistered, ...errorAnswers(400, 401, 404, 409, 415, 429, 500, 503) },
      },
    },
    async (request, reply) => {
      const projectId = requireProjectId(request.params.projectId)
      const { partner_id, account_id, name, region, instance_type, status, deleted_at } = request.body
      const partner = await findPartner(registry, partner_id)
      if (partner === undefined) throw new ApiError('PARTNER_NOT_FOUND')
      if (account_id !== undefined && partner.mode !== 'co-branded')
        throw new ApiError('INVALID_REQUEST', 'body.account_id: only co-branded partners have accounts, and this one is white-label. Leave it out.')
      const deletedMs = deleted_at === undefined ? undefined : parseTimestamp(deleted_at)
      const outcome = await registerProject(registry, actorOf(request), {
        projectId,
        partnerId: partner_id,
        accountId: account_id,
        name,
        region,
        instanceType: instance_type,
        status,
        deletedMs,
      })
      if (outcome.status === 'partner_changed') throw new ApiError('PARTNER_CHANGED')
      if (outcome.status === 'account_not_found') throw new ApiError('ACCOUNT_NOT_FOUND')
      if (outcome.status === 'account_changed') throw new ApiError('ACCOUNT_CHANGED')
      if (outcome.status === 'already_deleted') throw new ApiError('ALREADY_DELETED')
      if (outcome.status === 'name_taken') throw new ApiError('NAME_TAKEN')
      const { project } = outcome
      return reply.code(outcome.status === 'created' ? 201 : 200).send({ project: registeredProject(project) })
    },
  )

  routes.get(
    '/admin/v1/projects',
    {
      config: { access: FINANCE },
      schema: {
        ...common,
        summary: 'All projects, or those of a partner, from the oldest on',
        description: 'Deleted ones too.',
        querystring: ProjectsQuery,
        response: { 200: KnownProjects, ...errorAnswers(400, 401, 404, 429, 500, 503) },
      },
    },
    async (request) => {
      const { partner_id, status, search, limit, cursor } = request.query
      const asked = ['projects', partner_id, status, search]
      const after = requireTimeCursor(cursor, asked)
      if (partner_id !== undefined) await requireKnownPartner(registry, partner_id)
      const projects = await listRegisteredProjects(clickhouse, { partnerId: partner_id ?? '', status, search, after, limit: limit + 1 })
      const { shown, next_cursor } = pageOf(projects, limit, (last) => writeTimeCursor(asked, last))
      return { projects: shown.map(knownProject), next_cursor }
    },
  )

  routes.get(
    '/admin/v1/projects/:projectId',
    {
      config: { access: FINANCE },
      schema: {
        ...common,
        summary: 'A project, whosever it is',
        params: z.object({ projectId: PathId }),
        response: { 200: z.object({ project: KnownProject }), ...errorAnswers(401, 404, 429, 500, 503) },
      },
    },
    async (request) => {
      const project = await findProject(registry, request.params.projectId)
      if (project === undefined) throw new ApiError('PROJECT_NOT_FOUND')
      return { project: knownProject(project) }
    },
  )
}

const ProjectRegistration = z
  .strictObject({
    partner_id: z.string(),
    account_id: z.string().optional().meta({ description: 'One of the partner’s accounts. Co-branded partners only; it never changes.' }),
    name: Name,
    region: RegionField.optional(),
    instance_type: InstanceTypeField.optional(),
    status: Status.optional(),
    deleted_at: z.string().refine(isPast, 'must be an RFC 3339 date-time with a zone, from 2000-01-01 to now').optional(),
  })
  .refine((body) => body.deleted_at === undefined || body.status === 'deleted', { path: ['deleted_at'], message: 'goes with status "deleted" only' })

const ProjectFields = {
  id: z.string(),
  partner_id: z.string(),
  name: z.string(),
  status: Status,
  region: RegionField,
  instance_type: InstanceTypeField,
  deleted_at: Instant.nullable(),
}
const ProjectRegistered = z.object({ project: z.object(ProjectFields) })
const AccountId = z.string().nullable().meta({ description: 'Null: it belongs to no account of its partner.' })
const KnownProject = z.object({ ...ProjectFields, account_id: AccountId, created_at: Instant })
const KnownProjects = z.object({ projects: z.array(KnownProject), next_cursor: NextCursor })

const ProjectsQuery = PageQuery.extend({
  partner_id: PathId.min(1).optional(),
  status: Status.optional().meta({ description: 'Only these. Default: all, deleted ones too.' }),
  search: ProjectSearch,
})

function registeredProject(project: Omit<RegisteredProject, 'accountId' | 'createdMs'>): z.output<typeof ProjectRegistered>['project'] {
  const { id, partnerId, name, status, region, instanceType, deletedMs } = project
  return { id, partner_id: partnerId, name, status, region, instance_type: instanceType, deleted_at: instantOrNull(deletedMs) }
}

function knownProject(project: RegisteredProject): z.output<typeof KnownProject> {
  const { accountId, createdMs } = project
  return { ...registeredProject(project), account_id: accountId === '' ? null : accountId, created_at: formatTimestamp(createdMs) }
}

function requireProjectId(projectId: string): string {
  if (!isProjectId(projectId)) throw new ApiError('INVALID_REQUEST', 'A project id has 1 to 128 of the characters A-Z a-z 0-9 _ . : -')
  if (RESERVED_PROJECT_IDS.includes(projectId))
    throw new ApiError('INVALID_REQUEST', `"${projectId}" is a word of the API's own paths and cannot be a project id.`)
  return projectId
}

/** Within what the store can hold: a time beyond it would be cut without a word. */
function isPast(text: string): boolean {
  const instantMs = parseTimestamp(text)
  return instantMs !== undefined && instantMs >= TIMESTAMP_MIN_MS && instantMs <= Date.now() + TIMESTAMP_AHEAD_MS_MAX
}
