import type { AnswerOf } from '../../contract/operation.ts'
import type { GET_PARTNER, LIST_PARTNERS } from '../../contract/partners.ts'
import { call } from '../calls/call.ts'
import type { AsText } from '../calls/numbers-as-text.ts'
import { caller } from '../session/session.ts'

export type PartnerPage = AsText<AnswerOf<typeof LIST_PARTNERS>>
export type Partner = PartnerPage['partners'][number]

/** How many partners a page of them has. */
const PARTNERS_PER_PAGE = 50

/** A page of partners by name; the first has no cursor. */
export function readPartners(cursor: string | undefined, signal?: AbortSignal, limit = PARTNERS_PER_PAGE): Promise<PartnerPage> {
  return call<typeof LIST_PARTNERS>(caller(signal), { method: 'GET', path: '/admin/v1/partners', query: { limit, cursor } })
}

export async function readPartner(partnerId: string, signal: AbortSignal): Promise<Partner> {
  const { partner } = await call<typeof GET_PARTNER>(caller(signal), { method: 'GET', path: '/admin/v1/partners/:partnerId', params: { partnerId } })
  return partner
}
