import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { type MonthDelivery, readDeliveriesOfMonth } from '../../automation/deliveries/deliveries-of-month.ts'
import { ALL_PARTNERS, manifestName, parseSubject } from '../../automation/deliveries/object-names.ts'
import { LIST_DELIVERIES } from '../../contract/deliveries.ts'
import type { AnswerOf } from '../../contract/operation.ts'
import { formatTimestamp } from '../../metering/timestamp.ts'
import { FINANCE } from '../auth/access.ts'
import type { ApiContext } from '../context.ts'
import { pageOf, requirePlace, writePlace } from '../requests/cursor.ts'
import { requireKnownPartner } from '../requests/require-partner.ts'
import { addRoute } from '../route.ts'

export function listDeliveriesRoute(app: FastifyInstance, { limitedReads, registry }: ApiContext): void {
  addRoute(app, LIST_DELIVERIES, { access: FINANCE }, async (request) => {
    const { month, partner, limit, cursor } = request.query
    const partnerId = partner === undefined ? undefined : (await requireKnownPartner(registry, partner)).id
    const query = ['deliveries', month, partner]
    const [subject, scheduleId, revision] = cursor === undefined ? BEFORE_THE_FIRST : requirePlace(cursor, query, Place)
    const deliveries = await readDeliveriesOfMonth(limitedReads, { month, partnerId, subject, scheduleId, revision, limit: limit + 1 })
    const { shown, next_cursor } = pageOf(deliveries, limit, (last) => writePlace(query, [last.subject, last.scheduleId, last.revision]))
    return { deliveries: shown.map(deliveryAnswer), next_cursor }
  })
}

const Place = z.tuple([z.string(), z.string(), z.number().int().min(0)])
const BEFORE_THE_FIRST: z.output<typeof Place> = ['', '', 0]

function deliveryAnswer(delivery: MonthDelivery): AnswerOf<typeof LIST_DELIVERIES>['deliveries'][number] {
  const { scheduleId, scheduleName, subject, revision, isComplete, name, status, sha256, bytes, deliveredMs, target } = delivery
  const { what, period, owner } = parseSubject(subject)
  return {
    schedule_id: scheduleId,
    schedule_name: scheduleName === '' ? null : scheduleName,
    what,
    partner_id: owner === ALL_PARTNERS ? null : owner,
    day: subject.includes('/day=') ? period : null,
    revision,
    name,
    manifest: manifestName(subject, sha256, revision),
    sha256,
    bytes,
    billing_status: status === 'closed' ? 'final' : 'provisional',
    complete: isComplete,
    delivered_at: formatTimestamp(deliveredMs),
    delivered_to: target === '' ? null : target,
  }
}
