import { z } from 'zod'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { isLeaseHeld, type Lease } from '../../sql/lease.ts'
import { defineQuery, defineStatement } from '../../sql/query.ts'

/**
 * Removes what earlier closings of the partner left: the lines and recounts of those without a header. The recounts of a statement stay,
 * those of corrected months too: byte-day-corrections.ts compares them. Call it under a lease just acquired, before anything is written under it:
 * 1. Read which closings left rows.
 * 2. Check that the lease is still held. If another process had acquired it, the rows that were read might be those of its closing, and
 *    its statement would lack them. A closing that begins after this check has an id that was not read.
 * 3. Delete the rows of exactly these closings. After a crash, the next closing finds what is left.
 * Throws StoreError.
 */
export async function removeLeftovers(clickhouse: ClickHouse, partnerId: string, lease: Lease): Promise<void> {
  const { work } = clickhouse
  const recounts = await work.query(leftRecounts, { partnerId })
  const lines = await work.query(leftLines, { partnerId })
  if (recounts.length === 0 && lines.length === 0) return
  if (!(await isLeaseHeld(clickhouse, lease))) return
  if (recounts.length > 0) await work.execute(deleteRecounts, { partnerId, closings: recounts.map(({ closing }) => closing) })
  if (lines.length > 0) await work.execute(deleteLines, { partnerId, closings: lines.map(({ closing }) => closing) })
}

const leftRecounts = defineQuery({
  name: 'left_recounts',
  sql: `SELECT DISTINCT closing FROM statement_recounts_v1
        WHERE partner_id = {partnerId: String} AND closing NOT IN (SELECT closing FROM statements_v1 WHERE partner_id = {partnerId: String})`,
  params: z.object({ partnerId: z.string() }),
  row: z.object({ closing: z.string() }),
  settings: { max_execution_time: 600 },
})

const leftLines = defineQuery({
  name: 'left_lines',
  sql: `SELECT DISTINCT closing FROM statement_lines_v1
        WHERE partner_id = {partnerId: String} AND closing NOT IN (SELECT closing FROM statements_v1 WHERE partner_id = {partnerId: String})`,
  params: z.object({ partnerId: z.string() }),
  row: z.object({ closing: z.string() }),
  settings: { max_execution_time: 600 },
})

/**
 * A lightweight delete, which rewrites no other columns: the table holds the recounts of all partners. The recount of a statement must never
 * be deleted, so the store checks once more that the closings have no header.
 */
const deleteRecounts = defineStatement({
  name: 'delete_left_recounts',
  sql: `DELETE FROM statement_recounts_v1 WHERE partner_id = {partnerId: String} AND closing IN {closings: Array(String)}
        AND closing NOT IN (SELECT closing FROM statements_v1)`,
  params: z.object({ partnerId: z.string(), closings: z.array(z.string()) }),
  settings: { max_execution_time: 600 },
})

/** Lines of a statement must never be deleted, so the store checks once more that the closings have no header. */
const deleteLines = defineStatement({
  name: 'delete_left_lines',
  sql: `DELETE FROM statement_lines_v1 WHERE partner_id = {partnerId: String} AND closing IN {closings: Array(String)}
        AND closing NOT IN (SELECT closing FROM statements_v1)`,
  params: z.object({ partnerId: z.string(), closings: z.array(z.string()) }),
  settings: { max_execution_time: 600 },
})
