import type { GET_PARTNER } from '../../contract/partners.ts'
import type { GET_PARTNERSHIP_USAGE } from '../../contract/usage.ts'
import { dayOf } from '../address/period.ts'
import type { Subject } from '../address/subject.ts'
import { call } from '../calls/call.ts'
import { caller } from '../session/session.ts'

/** A statement has no name of its partner. The partner itself reads it with the usage of one day. */
export async function readPartnerName({ partnerId, asAdmin }: Subject, signal: AbortSignal): Promise<string> {
  if (asAdmin)
    return (await call<typeof GET_PARTNER>(caller(signal), { method: 'GET', path: '/admin/v1/partners/:partnerId', params: { partnerId } })).partner.name
  const today = dayOf(Date.now())
  const request = { params: { partnerId }, query: { start_date: today, end_date: today } }
  return (await call<typeof GET_PARTNERSHIP_USAGE>(caller(signal), { method: 'GET', path: '/partnership/v1/:partnerId/usage', ...request })).partnership.name
}
