import { createHash } from 'node:crypto'
import { dayOf } from '../../metering/timestamp.ts'
import type { LogRecord, Verdict } from './detect-duplicates.ts'

/** Per ingest key, log and UTC day. More than a day of a large emitter that got one field wrong; on disk about a tenth of it. */
export const REJECTED_BYTES_PER_DAY_MAX = 1024 ** 3

/**
 * Limits what the rejected events of one ingest key can store: the same bytes, rejected for the same reason, are kept once a day, and
 * at most a quota of bytes a day. Beyond it an event is still answered and counted with its reason, and its row is kept without the
 * original, so that it costs no more than a counted one. Forgotten by a restart: then an event may be kept once more.
 */
export class RejectedQuota {
  readonly #bytesPerDayMax: number
  #day = ''
  readonly #keys = new Map<string, KeptOfDay>()
  #contents = 0

  constructor(bytesPerDayMax: number) {
    this.#bytesPerDayMax = bytesPerDayMax
  }

  /** The verdicts with what is kept of each rejected event. Nothing is remembered before it is stored: see `note`. */
  limit(records: readonly LogRecord[], verdicts: readonly Verdict[]): LimitedVerdicts {
    const stored: StoredRejection[] = []
    if (!verdicts.some(({ status }) => status === 'rejected')) return { verdicts, stored }
    const inBatch = new Set<string>()
    const bytesInBatch = new Map<string, number>()
    const limited = verdicts.map((verdict, index): Verdict => {
      const record = records[index]
      if (verdict.status !== 'rejected' || record === undefined) return verdict
      const { ingestKeyId } = record
      const original = record.validated.original()
      const content = createHash('sha256').update(`${ingestKeyId}\n${verdict.rejection.reason}\n`).update(original).digest('base64')
      const ofDay = this.#ofDay(record)
      if (inBatch.has(content) || ofDay?.contents.has(content)) return { ...verdict, kept: 'before' }
      const bytes = (bytesInBatch.get(ingestKeyId) ?? 0) + original.length
      if ((ofDay?.bytes ?? 0) + bytes > this.#bytesPerDayMax) return this.#withoutOriginal(verdict)
      inBatch.add(content)
      bytesInBatch.set(ingestKeyId, bytes)
      stored.push({ record, content, bytes: original.length })
      return verdict
    })
    return { verdicts: limited, stored }
  }

  /** Call it when the batch is stored. If it was remembered earlier and the write failed, an event sent again would not be kept at all. */
  note(stored: readonly StoredRejection[]): void {
    for (const { record, content, bytes } of stored) {
      const day = dayOf(record.receivedMs)
      if (day !== this.#day) {
        this.#keys.clear()
        this.#contents = 0
        this.#day = day
      }
      const ofDay = this.#keys.get(record.ingestKeyId) ?? { bytes: 0, contents: new Set() }
      this.#keys.set(record.ingestKeyId, ofDay)
      ofDay.bytes += bytes
      this.#contents += 1
      if (this.#contents <= CONTENTS_MAX) ofDay.contents.add(content)
    }
  }

  #ofDay({ receivedMs, ingestKeyId }: LogRecord): KeptOfDay | undefined {
    return dayOf(receivedMs) === this.#day ? this.#keys.get(ingestKeyId) : undefined
  }

  #withoutOriginal(verdict: Verdict & { status: 'rejected' }): Verdict {
    const { reason, message } = verdict.rejection
    const quota = `Its original is not kept, because the events of this ingest key that were rejected today have more than ${this.#bytesPerDayMax / MEBIBYTE} MiB.`
    return { ...verdict, rejection: { reason, message: `${message} ${quota}` }, kept: 'without original' }
  }
}

interface KeptOfDay {
  bytes: number
  readonly contents: Set<string>
}

export interface StoredRejection {
  readonly record: LogRecord
  readonly content: string
  readonly bytes: number
}

export interface LimitedVerdicts {
  readonly verdicts: readonly Verdict[]
  /** For `note`. */
  readonly stored: readonly StoredRejection[]
}

/** About 15 MiB of memory. Other contents are kept each time, within the quota of bytes. */
const CONTENTS_MAX = 100_000
const MEBIBYTE = 1024 ** 2
