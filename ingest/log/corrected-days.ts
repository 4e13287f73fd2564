import type { Correction } from '../../metering/correction.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { isCopyOf } from './detect-corrections.ts'
import { findByIdentity } from './find-stored.ts'
import { isIndexComplete } from './identity-index.ts'
import type { Identity } from './look-up.ts'

/** What is stored of the event that a correction names. */
export interface CorrectedDay {
  /** YYYY-MM-DD; undefined if the event is not stored. */
  readonly day: string | undefined
  /** Whether the correction itself is stored already: this one is a copy, and changes nothing. */
  readonly isCopy: boolean
}

/** The days of the events that these corrections correct, in their order. Throws StoreError. */
export async function findCorrectedDays(clickhouse: Pick<ClickHouse, 'reads'>, corrections: readonly Correction[]): Promise<CorrectedDay[]> {
  const targets = corrections.map(({ projectId, corrects }): Identity => [projectId, corrects])
  const own = corrections.map(({ projectId, eventId }): Identity => [projectId, eventId])
  const lookUp = { lane: clickhouse.reads, indexed: await isIndexComplete(clickhouse), secondsMax: LOOK_UP_SECONDS_MAX }
  const stored = await findByIdentity(lookUp, [...targets, ...own])
  return corrections.map((correction) => {
    const { projectId, eventId, corrects } = correction
    const first = stored.corrections.get(projectId, eventId)
    return { day: stored.events.get(projectId, corrects)?.usageDate, isCopy: first !== undefined && isCopyOf(correction, first) }
  })
}

const LOOK_UP_SECONDS_MAX = 30
