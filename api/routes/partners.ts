import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { type BillingState, readBillingStates } from '../../aggregator/statements/billing-state.ts'
import { setBillingFrom } from '../../aggregator/statements/set-billing-from.ts'
import type { AnswerOf } from '../../contract/operation.ts'
import { CREATE_PARTNER, GET_PARTNER, LIST_PARTNERS, MONTHS_BACK_MAX, UPDATE_PARTNER } from '../../contract/partners.ts'
import { monthsOf } from '../../metering/month.ts'
import { dayOf, formatTimestamp, instantOrNull } from '../../metering/timestamp.ts'
import type { NoteChange } from '../../registry/audit-log.ts'
import { setPartnerDisabled } from '../../registry/change-partners.ts'
import { createPartner } from '../../registry/create-partner.ts'
import { listPartners } from '../../registry/list-partners.ts'
import type { StoredPartner } from '../../registry/partners.ts'
import { FINANCE, OPERATOR } from '../auth/access.ts'
import { actorOf } from '../auth/auth.ts'
import type { ApiContext, OperatorContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { pageOf, requirePlace, writePlace } from '../requests/cursor.ts'
import { requireKnownPartner } from '../requests/require-partner.ts'
import { addRoute } from '../route.ts'
import { partnerSecretsAnswer } from './partner-secrets.ts'

export function createPartnerRoute(app: FastifyInstance, { registry }: ApiContext): void {
  addRoute(app, CREATE_PARTNER, { access: OPERATOR }, async (request) => {
    const { partner, secret } = await createPartner(registry, actorOf(request), request.body)
    return { partner: { id: partner.id, name: partner.name }, secret }
  })
}

export function listPartnersRoute(app: FastifyInstance, { limitedReads, registry }: ApiContext): void {
  addRoute(app, LIST_PARTNERS, { access: FINANCE }, async (request) => {
    const { limit, cursor } = request.query
    const [name, id] = cursor === undefined ? ['', ''] : requirePlace(cursor, CURSOR_QUERY, PlaceByName)
    const partners = await listPartners(registry, { after: { name, id }, limit: limit + 1 })
    const { shown, next_cursor } = pageOf(partners, limit, (last) => writePlace(CURSOR_QUERY, [last.name, last.id]))
    const states = new Map((await readBillingStates(limitedReads)).map((state) => [state.partnerId, state]))
    return { partners: shown.map((partner) => partnerAnswer(partner, states.get(partner.id))), next_cursor }
  })
}

export function getPartner(app: FastifyInstance, { limitedReads, registry }: ApiContext): void {
  addRoute(app, GET_PARTNER, { access: FINANCE }, async (request) => {
    const partner = await requireKnownPartner(registry, request.params.partnerId)
    const [state] = await readBillingStates(limitedReads, partner.id)
    return { partner: partnerAnswer(partner, state), secrets: await partnerSecretsAnswer(registry, partner.id) }
  })
}

export function updatePartner(app: FastifyInstance, { clickhouse, registry, now }: OperatorContext): void {
  addRoute(app, UPDATE_PARTNER, { access: OPERATOR }, async (request) => {
    const { id: partnerId } = await requireKnownPartner(registry, request.params.partnerId)
    const { billing_from, disabled, confirm } = request.body
    // The month comes first, because it can be rejected: then no part of the request has been applied.
    if (billing_from !== undefined) {
      requireConfirmed(billing_from, confirm === true, now())
      const note: NoteChange = (noted) => registry.changes.note(actorOf(request), noted)
      const outcome = await setBillingFrom({ clickhouse, note }, partnerId, billing_from)
      if (outcome.status === 'elsewhere') throw new ApiError('CLOSING_ELSEWHERE')
      if (outcome.status === 'already_closed')
        throw new ApiError('ALREADY_BILLED', `This partner is closed through ${outcome.closedThrough}, and closed months never change.`)
    }
    if (disabled !== undefined) await setPartnerDisabled(registry, actorOf(request), { partnerId, disabled })
    const [state] = await readBillingStates(clickhouse, partnerId)
    return { partner: partnerAnswer(await requireKnownPartner(registry, partnerId), state) }
  })
}

const CURSOR_QUERY = ['partners']
const PlaceByName = z.tuple([z.string(), z.string()])

function partnerAnswer({ id, name, mode, disabledMs, createdMs }: StoredPartner, state: BillingState | undefined): AnswerOf<typeof GET_PARTNER>['partner'] {
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

/**
 * A first billed month in the distant past must be confirmed. Every due month from it on is closed after the grace period, and
 * closed months cannot be changed: a typing error would bill years of usage permanently.
 */
function requireConfirmed(billingFrom: string, isConfirmed: boolean, nowMs: number): void {
  if (isConfirmed) return
  const months = monthsOf({ first: `${billingFrom}-01`, last: dayOf(nowMs), end: '' }).length - 1
  if (months <= MONTHS_BACK_MAX) return
  throw new ApiError(
    'INVALID_REQUEST',
    `${billingFrom} is ${months} months ago, and all of these months would be closed permanently. Send "confirm": true if this is intended.`,
  )
}
