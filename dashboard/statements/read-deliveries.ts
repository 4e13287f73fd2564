import type { LIST_DELIVERIES } from '../../contract/deliveries.ts'
import type { AnswerOf } from '../../contract/operation.ts'
import { call } from '../calls/call.ts'
import type { AsText } from '../calls/numbers-as-text.ts'
import { caller } from '../session/session.ts'

type DeliveryPage = AsText<AnswerOf<typeof LIST_DELIVERIES>>
export type MonthDelivery = DeliveryPage['deliveries'][number]

interface DeliveriesQuery {
  readonly month: string
  readonly partner: string
  readonly cursor: string | undefined
}

/** A page of what schedules delivered of a month: files of the partner, and those of all partners. */
export function readDeliveries(query: DeliveriesQuery, signal: AbortSignal): Promise<DeliveryPage> {
  return call<typeof LIST_DELIVERIES>(caller(signal), { method: 'GET', path: '/admin/v1/deliveries', query })
}
