import { monthOf } from '../../metering/month.ts'
import type { Lane } from '../../sql/clickhouse.ts'
import type { StoredRecords } from './detect-corrections.ts'
import type { RecordsToFind } from './detect-duplicates.ts'
import type { LogRange } from './in-doubt-range.ts'
import { type Identity, IdentityMap, type LookUp } from './look-up.ts'
import { type CorrectionInRange, findCorrected, findNotAmendable, findStoredCorrections, readCorrectionsOfRange } from './stored-corrections.ts'
import { findStoredEvents, readStoredRange, type StoredInRange } from './stored-events.ts'
import { findClosedBatches, findWindow } from './stored-windows.ts'

/**
 * Finds what is stored under the identities of a batch, among events and corrections, and the corrections of the events that it corrects.
 * A batch without corrections whose identities are all new or in raw costs what it costs without corrections. Throws StoreError.
 */
export async function findStored(lookUp: LookUp, records: RecordsToFind): Promise<StoredRecords> {
  const { identities, monthsExpected, corrected, amends, batches, window, log, offset } = records
  const { events, corrections } = await findByIdentity(lookUp, [...identities, ...corrected], monthsExpected)
  const targets = corrected.filter((identity) => events.get(...identity) !== undefined)
  const months = [...new Set(targets.map((identity) => partitionOf(events.get(...identity)?.usageDate ?? '')))]
  return {
    events,
    corrections,
    corrected: targets.length === 0 ? NOT_CORRECTED : await findCorrected(lookUp, { identities: targets, months, log, offset }),
    notAmendable: amends ? await findNotAmendable(lookUp.catalogue) : NO_METRICS,
    closedBatches: batches.length === 0 ? NO_BATCHES : await findClosedBatches(lookUp, { batches, log, offset }),
    window: window === undefined ? undefined : await findWindow(lookUp, { window, log, offset }),
  }
}

/** The events and the corrections that are stored under identities, and probably in these months. Throws StoreError. */
export async function findByIdentity(
  lookUp: LookUp,
  identities: readonly Identity[],
  monthsExpected: readonly number[] = [],
): Promise<Pick<StoredRecords, 'events' | 'corrections'>> {
  const { events, others } = await findStoredEvents(lookUp, identities, monthsExpected)
  return { events, corrections: others.identities.length === 0 ? NO_CORRECTIONS : await findStoredCorrections(lookUp, others) }
}

/** The events and corrections that one log has stored at the offsets of a range, by offset. Throws StoreError. */
export async function readStoredRecords(lane: Lane, log: string, range: LogRange): Promise<Map<number, StoredInRange | CorrectionInRange>> {
  const [events, corrections] = [await readStoredRange(lane, log, range), await readCorrectionsOfRange(lane, log, range)]
  return new Map<number, StoredInRange | CorrectionInRange>([...events, ...corrections])
}

const NO_CORRECTIONS: StoredRecords['corrections'] = new IdentityMap()
const NOT_CORRECTED: StoredRecords['corrected'] = new IdentityMap()
const NO_BATCHES: StoredRecords['closedBatches'] = new IdentityMap()
const NO_METRICS: StoredRecords['notAmendable'] = new Set()

/** YYYYMM of YYYY-MM-DD. */
function partitionOf(day: string): number {
  return Number(monthOf(day).replace('-', ''))
}
