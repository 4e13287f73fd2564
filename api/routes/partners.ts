import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { type BillingState, readBillingStates } from '../../aggregator/statements/billing-state.ts'
import { setBillingFrom } from '../../aggregator/statements/set-billing-from.ts'
import { Instant, MonthText, Name, PARTNER_MODES, PartnerParams } from '../../contract/fields.ts'
import { NextCursor, PageQuery } from '../../contract/pages.ts'
import { monthsOf } from '../../metering/month.ts'
import { dayOf, formatTimestamp, instantOrNull } from '../../metering/timestamp.ts'
import type { NoteChange } from '../../registry/audit-log.ts'
import { createPartner } from '../../registry/create-partner.ts'
import { listPartners } from '../../registry/list-partners.ts'
import { type StoredPartner, setPartnerDisabled } from '../../registry/partners.ts'
import { errorAnswers } from '../answers/error-answers.ts'
import { FINANCE, OPERATOR } from '../auth/access.ts'
import { actorOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { pageOf, requirePlace, writePlace } from '../requests/cursor.ts'
import { requireKnownPartner } from '../requests/require-partner.ts'
import { partnerSecretsAnswer, SecretAnswer } from './partner-secrets.ts'

/** Who the partners are, whether they are let in, and from which month they are billed. */
export function partnerRoutes(app: FastifyInstance, { clickhouse, registry, now }: ApiContext): void {
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
        summary: 'All partners, by name',
        querystring: PageQuery,
        response: { 200: z.object({ partners: z.array(PartnerAnswer), next_cursor: NextCursor }), ...errorAnswers(400, 401, 429, 500, 503) },
      },
    },
    async (request) => {
      const { limit, cursor } = request.query
      const [name, id] = cursor === undefined ? ['', ''] : requirePlace(cursor, CURSOR_OF, PlaceByName)
      const partners = await listPartners(registry, { after: { name, id }, limit: limit + 1 })
      const { shown, next_cursor } = pageOf(partners, limit, (last) => writePlace(CURSOR_OF, [last.name, last.id]))
      const states = new Map((await readBillingStates(clickhouse)).map((state) => [state.partnerId, state]))
      return { partners: shown.map((partner) => partnerAnswer(partner, states.get(partner.id))), next_cursor }
    },
  )

  routes.get(
    '/admin/v1/partners/:partnerId',
    {
      config: { access: FINANCE },
      schema: {
        ...common,
        summary: 'A partner, and what its secrets can be told by',
        description: 'The secrets that work, then those that did, from the newest on; at most 100. `last_used_at` is up to a minute late.',
        params: PartnerParams,
        response: { 200: z.object({ partner: PartnerAnswer, secrets: z.array(SecretAnswer) }), ...errorAnswers(401, 404, 429, 500, 503) },
      },
    },
    async (request) => {
      const partner = await requireKnownPartner(registry, request.params.partnerId)
      const [state] = await readBillingStates(clickhouse, partner.id)
      return { partner: partnerAnswer(partner, state), secrets: await partnerSecretsAnswer(registry, partner.id) }
    },
  )

  routes.patch(
    '/admin/v1/partners/:partnerId',
    {
      config: { access: OPERATOR },
      schema: {
        ...common,
        summary: 'Set the first month that a partner is billed for; let it in no more, or again',
        description:
          'The month can be set until the first is closed. Earlier months can be read as usage, but have no statement. A disabled partner is let in no more; its usage counts and its months close as before.',
        params: PartnerParams,
        body: PartnerChange,
        response: { 200: z.object({ partner: PartnerAnswer }), ...errorAnswers(400, 401, 404, 409, 415, 429, 500, 503) },
      },
    },
    async (request) => {
      const { id: partnerId } = await requireKnownPartner(registry, request.params.partnerId)
      const { billing_from, disabled, confirm } = request.body
      // First what may be refused: then nothing of the request was done.
      if (billing_from !== undefined) {
        requireMeant(billing_from, confirm === true, now())
        const note: NoteChange = (noted) => registry.changes.note(actorOf(request), noted)
        const outcome = await setBillingFrom({ clickhouse, note }, partnerId, billing_from)
        if (outcome.status === 'elsewhere') throw new ApiError('CLOSING_ELSEWHERE')
        if (outcome.status === 'already_closed')
          throw new ApiError('ALREADY_BILLED', `This partner is closed through ${outcome.closedThrough}, and closed months never change.`)
      }
      if (disabled !== undefined) await setPartnerDisabled(registry, actorOf(request), { partnerId, disabled })
      const [state] = await readBillingStates(clickhouse, partnerId)
      return { partner: partnerAnswer(await requireKnownPartner(registry, partnerId), state) }
    },
  )
}

const PartnerAnswer = z.object({
  id: z.string(),
  name: z.string(),
  mode: z.enum(PARTNER_MODES),
  disabled_at: Instant.nullable().meta({ description: 'Since when it is let in no more; null: it is let in.' }),
  billing_from: z.string().nullable().meta({ description: 'The first month that has a statement.' }),
  closed_through: z.string().nullable().meta({ description: 'The last month that is closed.' }),
  created_at: Instant,
})

function partnerAnswer({ id, name, mode, disabledMs, createdMs }: StoredPartner, state: BillingState | undefined): z.output<typeof PartnerAnswer> {
  return {
    id,
    name,
    mode,
    disabled_at: instantOrNull(disabledMs),
    billing_from: state?.billingFrom ?? null,
    closed_through: state?.closedThrough ?? null,
    created_at: formatTimestamp(createdMs),
  }
}

const CURSOR_OF = ['partners']
const PlaceByName = z.tuple([z.string(), z.string()])

const FIRST_MONTH = '2000-01'
const MONTHS_BACK_MAX = 24

const PartnerChange = z
  .strictObject({
    billing_from: MonthText.refine((text) => text >= FIRST_MONTH, `must not be before ${FIRST_MONTH}: no event can be older`).optional(),
    confirm: z
      .literal(true)
      .optional()
      .meta({ description: `Needed for a month more than ${MONTHS_BACK_MAX} months ago.` }),
    disabled: z.boolean().optional(),
  })
  .refine((body) => body.billing_from !== undefined || body.disabled !== undefined, 'must have billing_from or disabled')
  .meta({ anyOf: [{ required: ['billing_from'] }, { required: ['disabled'] }] })

/** Every month from it on that is due is closed once the grace is over, and then it cannot be moved any more: a slip of the pen must not do that. */
function requireMeant(billingFrom: string, isConfirmed: boolean, nowMs: number): void {
  if (isConfirmed) return
  const months = monthsOf({ first: `${billingFrom}-01`, last: dayOf(nowMs), end: '' }).length - 1
  if (months <= MONTHS_BACK_MAX) return
  throw new ApiError('INVALID_REQUEST', `That is ${months} months ago, which would all be closed for good. Send "confirm": true if it is meant.`)
}
