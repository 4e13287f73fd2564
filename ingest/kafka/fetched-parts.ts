import type { FetchedBatch } from './topic.ts'

/** Parts of at most `eventsMax` events, from `next` on: what is before has been processed. */
export function partsOf({ records, through }: FetchedBatch, next: number, eventsMax: number): Part[] {
  const due = records.length > 0 && Number(records[0]?.offset) < next ? records.filter(({ offset }) => Number(offset) >= next) : records
  const parts: Part[] = []
  for (let from = 0; from < due.length; from += eventsMax) {
    const part = due.slice(from, from + eventsMax)
    const last = from + eventsMax >= due.length
    parts.push({ records: part, through: last ? through : Number(part.at(-1)?.offset) })
  }
  return parts.length === 0 && through >= next ? [{ records: [], through }] : parts
}

/** A part of a fetched batch: what is decoded and written at once. */
export interface Part {
  readonly records: FetchedBatch['records']
  readonly through: number
}
