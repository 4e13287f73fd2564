import type { Correction } from '../../metering/correction.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { isIndexComplete } from './identity-index.ts'
import type { Identity } from './look-up.ts'
import { findStoredEvents } from './stored-events.ts'

/** The days (YYYY-MM-DD) of the events that these corrections correct, in their order; undefined for one that is not stored. Throws StoreError. */
export async function findCorrectedDays(clickhouse: Pick<ClickHouse, 'reads'>, corrections: readonly Correction[]): Promise<(string | undefined)[]> {
  const identities = corrections.map(({ projectId, corrects }): Identity => [projectId, corrects])
  const lookUp = { lane: clickhouse.reads, indexed: await isIndexComplete(clickhouse), secondsMax: LOOK_UP_SECONDS_MAX }
  const { events } = await findStoredEvents(lookUp, identities)
  return identities.map((identity) => events.get(...identity)?.usageDate)
}

const LOOK_UP_SECONDS_MAX = 30
