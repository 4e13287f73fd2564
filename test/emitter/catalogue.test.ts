import { expect, expectTypeOf, test } from 'vitest'
import { EVENTS_BODY_BYTES_MAX, EVENTS_PER_REQUEST_MAX as EVENTS_MAX, type SEND_EVENTS } from '../../contract/events.ts'
import type { AnswerOf } from '../../contract/operation.ts'
import type { EventOutcome } from '../../emitter/deliver.ts'
import { BODY_BYTES_MAX, type CumulativeMetric, EVENTS_PER_REQUEST_MAX, type PeakMetric, type RejectReason } from '../../emitter/event.ts'
import type { METRICS, MetricName } from '../../metering/metrics.ts'

type OfKind<K> = { [Name in MetricName]: (typeof METRICS)[Name]['kind'] extends K ? Name : never }[MetricName]

test("the emitter's metrics, reasons and limits are those of the service", () => {
  // `npm run check` compiles these; at run time they do nothing.
  expectTypeOf<PeakMetric>().toEqualTypeOf<OfKind<'peak'>>()
  expectTypeOf<CumulativeMetric>().toEqualTypeOf<OfKind<'cumulative'>>()
  expectTypeOf<RejectReason>().toEqualTypeOf<AnswerOf<typeof SEND_EVENTS>['rejected'][number]['reason']>()
  expectTypeOf<RejectReason>().toExtend<Extract<EventOutcome, { status: 'rejected' }>['reason']>()
  expect([EVENTS_PER_REQUEST_MAX, BODY_BYTES_MAX]).toEqual([EVENTS_MAX, EVENTS_BODY_BYTES_MAX])
})
