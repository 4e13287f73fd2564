import { readAsOf } from '../../aggregator/as-of.ts'
import type { SpikeData } from '../../contract/spikes.ts'
import { compareDecimals } from '../../metering/exact-decimal.ts'
import { dayOf, instantOrNull, MS_PER_DAY } from '../../metering/timestamp.ts'
import type { Announcer } from '../webhooks/announcer.ts'
import { type Endpoint, readEndpoints } from '../webhooks/endpoints.ts'
import { type Message, messageBody, messageId } from '../webhooks/messages.ts'
import { recipientsOf } from '../webhooks/recipients.ts'
import { findSpikes, SPIKE_DEVIATIONS, type Spike } from './find-spikes.ts'

/** Complete days that are judged, so that none is left out after a weekend without the service. */
const JUDGED_DAYS = 3

/**
 * Stores each spike of the last complete days once, as a message with the numbers by which it was judged, also without a recipient. A
 * day is judged when usage is complete past its end; late usage can add a spike to it, and takes none away. Throws StoreError.
 */
export async function announceSpikes({ clickhouse, queue, now }: Announcer): Promise<void> {
  const asOfMs = await readAsOf(clickhouse)
  if (asOfMs === null) return
  const today = dayOf(Math.min(asOfMs, now()))
  const days = Array.from({ length: JUDGED_DAYS }, (_, index) => dayOf(Date.parse(`${today}T00:00:00Z`) - (index + 1) * MS_PER_DAY))
  await queue.offer(async () => {
    const endpoints = await readEndpoints({ clickhouse })
    const messages: Message[] = []
    for (const day of days) for (const spike of await findSpikes(clickhouse, day)) messages.push(spikeMessage(spike, endpoints, { asOfMs, nowMs: now() }))
    return messages
  })
}

function spikeMessage(spike: Spike, endpoints: readonly Endpoint[], { asOfMs, nowMs }: { asOfMs: number; nowMs: number }): Message {
  const { projectId, partnerId, metric, unit, day, value, median, deviation, weeks, floor } = spike
  const type = 'usage.spike'
  const direction = compareDecimals(value, median) > 0 ? 'up' : 'down'
  const data: SpikeData = {
    ...{ project_id: projectId, partner_id: partnerId, metric, unit, day, direction, value, median },
    ...{ median_absolute_deviation: deviation, deviations_min: SPIKE_DEVIATIONS, floor, same_weekdays: weeks, as_of: instantOrNull(asOfMs) },
  }
  return {
    id: messageId(['spike', projectId, metric, day]),
    type,
    partnerId,
    endpointIds: recipientsOf(endpoints, { type, partnerId, sinceMs: nowMs }),
    body: messageBody(type, nowMs, data),
    createdMs: nowMs,
  }
}
