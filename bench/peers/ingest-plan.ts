/** How the events of one size reach a store: a part is sent in batches, the rest is computed by the store itself. */
export interface IngestPlan {
  /** All events of the month. */
  readonly events: number
  /** Events 0 to `sent` - 1 are sent in batches, with duplicates and a kill. */
  readonly sent: number
  /** Events `sent` to `merged` - 1 are computed; then everything is merged. The rest is computed after that, as events that have just arrived. */
  readonly merged: number
}

export interface Batch {
  /** The numbers of its events, duplicates included. */
  readonly numbers: readonly number[]
}

const BATCH_EVENTS = 5_000
const DUPLICATES_PERCENT = 1
const SENT_MAX = 1_000_000
const NEW_PERCENT = 1

export function planOf(events: number): IngestPlan {
  const merged = events - Math.floor((events * NEW_PERCENT) / 100)
  return { events, sent: Math.min(SENT_MAX, merged), merged }
}

/** Each batch ends with one percent of its events once more. */
export function batchesOf({ sent }: IngestPlan): Batch[] {
  return Array.from({ length: Math.ceil(sent / BATCH_EVENTS) }, (_, index) => {
    const first = index * BATCH_EVENTS
    const numbers = Array.from({ length: Math.min(BATCH_EVENTS, sent - first) }, (__, offset) => first + offset)
    return { numbers: [...numbers, ...numbers.slice(0, (numbers.length * DUPLICATES_PERCENT) / 100)] }
  })
}

/** After this batch is stored and before the sender knows it, the store is killed; the batch is sent again. */
export function killedBatchOf(batches: readonly Batch[]): number {
  return Math.floor(batches.length / 2)
}

export interface IngestCost {
  readonly seconds: number
  /** Of these, from the kill until the store accepts the batch again. */
  readonly restartSeconds: number
  /** Undefined where the system does not show it. */
  readonly cpuSeconds: number | undefined
}
