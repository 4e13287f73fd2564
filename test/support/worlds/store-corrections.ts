import { z } from 'zod'
import { subtractDecimals } from '../../../metering/exact-decimal.ts'
import type { ClickHouse } from '../../../sql/clickhouse.ts'
import { defineQuery } from '../../../sql/query.ts'

export interface TestCorrection {
  readonly project_id: string
  /** The event. */
  readonly corrects: string
  /** Left out: a void. */
  readonly value?: string
  readonly reason?: string
}

/** The correction as it is sent to /v1/events, under an id of its own. */
export function toSend({ value, reason = 'a test', ...correction }: TestCorrection, eventId: string): object {
  return { event_id: eventId, ...correction, ...(value === undefined ? { action: 'void' } : { action: 'amend', value }), reason }
}

/**
 * Stores corrections one after another as the owner of a log does, with the differences to what counted before. The views of the table add
 * them to the rollup. Readers are tested with it; that corrections are counted once is tested with the log (test/ingest).
 */
export async function storeCorrections(clickhouse: ClickHouse, corrections: readonly TestCorrection[]): Promise<void> {
  for (const { project_id: projectId, corrects, value, reason = 'a test' } of corrections) {
    const [event] = await clickhouse.control.query(correctedEvent, { projectId, corrects })
    if (event === undefined) throw new Error(`There is no event ${corrects} of ${projectId} to correct.`)
    const [before, after] = [event.action === 'void' ? '0' : event.action === 'amend' ? event.amended : event.value, value ?? '0']
    const voided = (value === undefined ? 1 : 0) - (event.action === 'void' ? 1 : 0)
    const ids = [projectId, corrects, reason].map((text) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`)
    stored += 1
    await clickhouse.control.command(
      `INSERT INTO usage_corrections_v1 (project_id, corrects, revision, event_id, usage_date, metric, action, value, reason, added_total, added_voided, log, rank, received_at)
       SETTINGS async_insert=0
       VALUES (${ids[0]}, ${ids[1]}, ${event.revision + 1}, 'correction-${stored}', '${event.day}', '${event.metric}', '${value === undefined ? 'void' : 'amend'}',
         '${after}', ${ids[2]}, '${subtractDecimals(after, before)}', ${voided}, 'http', bitNot(toUInt64(${FIRST_OFFSET + stored})), now64(3))`,
    )
  }
}

/** Behind all events of a test. */
const FIRST_OFFSET = 1_000_000_000
let stored = 0

const correctedEvent = defineQuery({
  name: 'test_corrected_event',
  sql: `SELECT usage_date AS day, metric, toString(value) AS value, latest.revisions AS revision, latest.last.1 AS action, toString(latest.last.2) AS amended
        FROM (SELECT * FROM raw_usage_events_v1 FINAL WHERE project_id = {projectId: String} AND event_id = {corrects: String}) AS sent
        LEFT JOIN (
          SELECT corrects AS event_id, max(revision) AS revisions, argMax((toString(action), value), revision) AS last FROM usage_corrections_v1
          WHERE project_id = {projectId: String} AND corrects = {corrects: String} GROUP BY corrects
        ) AS latest USING event_id`,
  params: z.object({ projectId: z.string(), corrects: z.string() }),
  row: z.object({ day: z.string(), metric: z.string(), value: z.string(), revision: z.coerce.number(), action: z.string(), amended: z.string() }),
})
