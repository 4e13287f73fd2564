import type { FetchedBatch } from './topic.ts'

/** A part of a fetched batch, which is decoded and written in one step. */
export interface BatchPart {
  readonly records: FetchedBatch['records']
  readonly through: number
}

/** A fetched batch is decoded and written in parts of at most this many events and bytes. */
export interface PartLimits {
  readonly batchEventsMax: number
  readonly batchBytesMax: number
}

/** Splits a batch into parts, from `next` on: earlier records have been processed. A part has at least one event, however large. */
export function splitBatch({ records, through }: FetchedBatch, next: number, { batchEventsMax, batchBytesMax }: PartLimits): BatchPart[] {
  const due = records.length > 0 && Number(records[0]?.offset) < next ? records.filter(({ offset }) => Number(offset) >= next) : records
  const parts: BatchPart[] = []
  for (let from = 0, to = 0; from < due.length; from = to) {
    for (let bytes = 0; to < due.length && to - from < batchEventsMax && (to === from || bytes < batchBytesMax); to += 1) bytes += due[to]?.value?.length ?? 0
    parts.push({ records: due.slice(from, to), through: to === due.length ? through : Number(due[to - 1]?.offset) })
  }
  return parts.length === 0 && through >= next ? [{ records: [], through }] : parts
}
