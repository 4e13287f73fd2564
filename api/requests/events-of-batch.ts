import type { Arrival } from '../../ingest/event/arrival.ts'
import type { KnownMetrics } from '../../ingest/event/known-metrics.ts'
import { rejectArrival, rejectValidated, type ValidatedEvent } from '../../ingest/event/pipeline.ts'
import { validateEvents } from '../../ingest/event/validate-events.ts'
import type { Rejection } from '../../metering/rejection-reasons.ts'
import { dayOf } from '../../metering/timestamp.ts'
import type { CorrectionBatch } from '../../registry/correction-batches.ts'

/**
 * The events of a request to a batch. One that is not of its project, metric and days is rejected: it would never count. The kept bytes of a
 * rejected event name the batch, whatever else they have, so that it does not count if it is resent (ingest/rejected/resend-rejected.ts).
 */
export async function validateEventsOfBatch(
  arrivals: readonly Arrival[],
  batch: CorrectionBatch,
  { receivedMs, metrics }: { readonly receivedMs: number; readonly metrics: KnownMetrics },
): Promise<ValidatedEvent[]> {
  const validated = await validateEvents(
    arrivals.map((arrival) => ofBatch(arrival, batch.id)),
    { receivedMs, allowedProjects: 'all', allowsBatches: true },
    metrics,
  )
  return validated.map((each, index) => {
    const arrival = arrivals[index]
    if (arrival !== undefined && (arrival.format === 'cloudevent' || hasFieldsOfRecords(arrival))) return rejectArrival(named(arrival, batch.id), NOT_AN_EVENT)
    const outside = each.status === 'valid' ? findProblem(each, batch) : undefined
    return outside === undefined ? each : rejectValidated(each, outside)
  })
}

function ofBatch(arrival: Arrival, batch: string): Arrival {
  if (arrival.fields === undefined || hasFieldsOfRecords(arrival)) return arrival
  return { ...named(arrival, batch), fields: { ...arrival.fields, correction_batch: batch } }
}

/** What is not an object is kept as it is: it is no event either if it is resent. */
function named(arrival: Arrival, batch: string): Arrival {
  return arrival.fields === undefined ? arrival : { ...arrival, original: () => withBatch(arrival.original(), batch) }
}

function hasFieldsOfRecords({ fields }: Arrival): boolean {
  return fields?.correction_batch !== undefined || fields?.batch_action !== undefined || fields?.corrects !== undefined
}

/** The object with one more member, behind its last one: of several of one name the last one applies. */
function withBatch(object: Buffer, batch: string): Buffer {
  const end = object.lastIndexOf('}')
  const isEmpty = /\{\s*$/.test(object.subarray(0, end).toString('latin1'))
  return Buffer.concat([object.subarray(0, end), Buffer.from(`${isEmpty ? '' : ','}"correction_batch":"${batch}"`), object.subarray(end)])
}

function findProblem({ event }: ValidatedEvent & { status: 'valid' }, { id, projectId, metric, from, to }: CorrectionBatch): Rejection | undefined {
  const day = dayOf(event.timestampMs)
  if (event.projectId === projectId && event.metric === metric && day >= from && day <= to) return undefined
  const message = `The correction batch ${id} is for project ${projectId}, metric ${metric}, and the days ${from} to ${to}. This event is of project ${event.projectId}, metric ${event.metric}, ${day}.`
  return { reason: 'invalid_correction', message }
}

const NOT_AN_EVENT: Rejection = {
  reason: 'invalid_correction',
  message: 'A batch takes usage events as JSON, without the fields corrects, correction_batch and batch_action.',
}
