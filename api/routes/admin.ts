import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { listRejected } from '../../ingest/rejected-events.ts'
import { isProjectId, TIMESTAMP_AHEAD_MS_MAX, TIMESTAMP_MIN_MS } from '../../metering/event.ts'
import { formatTimestamp, parseTimestamp } from '../../metering/timestamp.ts'
import { readBillingStates } from '../../registry/billing.ts'
import { createIngestKey } from '../../registry/credentials/ingest-keys.ts'
import { createPartner, findPartner, listPartners } from '../../registry/partners.ts'
import { RESERVED_PROJECT_IDS } from '../../registry/projects/project.ts'
import { registerProject } from '../../registry/projects/register-project.ts'
import { PARTNER_MODES } from '../../registry/registry.ts'
import { EMITTER_MANAGER, FINANCE, OPERATOR } from '../access.ts'
import { actorOf } from '../auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors.ts'
import { errorAnswers, InstanceType, Instant, Name, PathId, Region, Status } from '../schemas.ts'
import { RejectedAnswer, RejectedQuery, rejectedAnswer } from './events.ts'

export function adminRoutes(app: FastifyInstance, { clickhouse, registry }: ApiContext): void {
  const routes = app.withTypeProvider<ZodTypeProvider>()
  const common = { tags: ['admin'] }

  routes.post(
    '/admin/v1/partners',
    {
      config: { access: OPERATOR },
      schema: {
        ...common,
        summary: 'Create a partner',
        description: 'The secret is shown in this answer and never again.',
        body: z.strictObject({ name: Name, mode: z.enum(PARTNER_MODES).default('white-label') }),
        response: {
          201: z.object({ partner: z.object({ id: z.string(), name: z.string() }), secret: z.string() }),
          ...errorAnswers(400, 401, 415, 429, 500, 503),
        },
      },
    },
    async (request, reply) => {
      const { partner, secret } = await createPartner(registry, actorOf(request), request.body)
      return reply.code(201).send({ partner: { id: partner.id, name: partner.name }, secret })
    },
  )

  routes.get(
    '/admin/v1/partners',
    {
      config: { access: FINANCE },
      schema: {
        ...common,
        summary: 'All partners',
        response: {
          200: z.object({ partners: z.array(PartnerAnswer) }),
          ...errorAnswers(401, 429, 500, 503),
        },
      },
    },
    async () => {
      const partners = await listPartners(registry)
      const states = new Map((await readBillingStates(clickhouse)).map((state) => [state.partnerId, state]))
      return {
        partners: partners.map(({ id, name, mode }) => ({
          id,
          name,
          mode,
          billing_from: states.get(id)?.billingFrom ?? null,
          closed_through: states.get(id)?.closedThrough ?? null,
        })),
      }
    },
  )

  routes.post(
    '/admin/v1/ingest-keys',
    {
      config: { access: EMITTER_MANAGER },
      schema: {
        ...common,
        summary: 'Create a key that may send events',
        description: 'The key is shown in this answer and never again.',
        body: z.strictObject({ name: Name }),
        response: { 201: z.object({ id: z.string(), key: z.string() }), ...errorAnswers(400, 401, 415, 429, 500, 503) },
      },
    },
    async (request, reply) => reply.code(201).send(await createIngestKey(registry, actorOf(request), request.body)),
  )

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
        response: { 200: RegisteredProject, 201: RegisteredProject, ...errorAnswers(400, 401, 404, 409, 415, 429, 500, 503) },
      },
    },
    async (request, reply) => {
      const projectId = requireProjectId(request.params.projectId)
      const { partner_id, name, region, instance_type, status, deleted_at } = request.body
      if ((await findPartner(registry, partner_id)) === undefined) throw new ApiError('PARTNER_NOT_FOUND')
      const deletedMs = deleted_at === undefined ? undefined : parseTimestamp(deleted_at)
      const outcome = await registerProject(registry, actorOf(request), {
        projectId,
        partnerId: partner_id,
        name,
        region,
        instanceType: instance_type,
        status,
        deletedMs,
      })
      if (outcome.status === 'partner_changed') throw new ApiError('PARTNER_CHANGED')
      if (outcome.status === 'already_deleted') throw new ApiError('ALREADY_DELETED')
      if (outcome.status === 'name_taken') throw new ApiError('NAME_TAKEN')
      const { project } = outcome
      return reply.code(outcome.status === 'created' ? 201 : 200).send({
        project: {
          id: project.id,
          partner_id: project.partnerId,
          name: project.name,
          status: project.status,
          region: project.region,
          instance_type: project.instanceType,
          deleted_at: project.deletedMs === null ? null : formatTimestamp(project.deletedMs),
        },
      })
    },
  )

  routes.get(
    '/admin/v1/rejected-events',
    {
      config: { access: EMITTER_MANAGER },
      schema: {
        ...common,
        summary: 'The latest refusals',
        querystring: RejectedQuery,
        response: { 200: RejectedAnswer, ...errorAnswers(400, 401, 429, 500, 503) },
      },
    },
    async (request) => rejectedAnswer(await listRejected(clickhouse, { ingestKeyId: '', limit: request.query.limit })),
  )
}

const PartnerAnswer = z.object({
  id: z.string(),
  name: z.string(),
  mode: z.enum(PARTNER_MODES),
  billing_from: z.string().nullable().meta({ description: 'The first month that has a statement.' }),
  closed_through: z.string().nullable().meta({ description: 'The last month that is closed.' }),
})

const ProjectRegistration = z
  .strictObject({
    partner_id: z.string(),
    name: Name,
    region: Region.optional(),
    instance_type: InstanceType.optional(),
    status: Status.optional(),
    deleted_at: z.string().refine(isPast, 'must be an RFC 3339 date-time with a zone, from 2000-01-01 to now').optional(),
  })
  .refine((body) => body.deleted_at === undefined || body.status === 'deleted', { path: ['deleted_at'], message: 'goes with status "deleted" only' })

const RegisteredProject = z.object({
  project: z.object({
    id: z.string(),
    partner_id: z.string(),
    name: z.string(),
    status: Status,
    region: Region,
    instance_type: InstanceType,
    deleted_at: Instant.nullable(),
  }),
})

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
