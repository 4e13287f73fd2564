import { z } from 'zod'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { queryOne } from '../../sql/query-one.ts'
import { row } from '../../sql/tab-separated.ts'

/** The stored result of a day's newest audit. Counts of events are strings, so that they stay exact. */
export const DayAudit = z.object({
  /** YYYY-MM-DD. */
  usage_date: z.string(),
  /** When the audit began, in ms since 1970; later events are not included. */
  audited_ms: z.coerce.number(),
  as_of_ms: z.coerce.number(),
  /** The day's number of changes (usage_day_changes_v1) when the audit began. */
  changes: z.coerce.number(),
  /** Positions in the logs at which an event of the day was accepted. */
  accepted_events: z.string(),
  /** Identities in raw. If `accepted_events` is greater, an event was counted twice. */
  raw_events: z.string(),
  /** The sum over all projects in the rollup. */
  rollup_events: z.string(),
  /** The sum of all materialized partnership days: raw without the events of projects that are not registered. */
  partnership_events: z.string(),
  /** Differences by (project, day, metric), by (partner, day, metric), and between the counts above. Must be 0. */
  differences: z.coerce.number(),
})
export type DayAudit = z.output<typeof DayAudit>

/** Stores results. If two processes store a result of the same day, the later audit wins. Throws StoreError. */
export async function storeDayAudits({ reads }: ClickHouse, audits: readonly DayAudit[]): Promise<void> {
  if (audits.length === 0) return
  const text = audits.map((audit) =>
    row([
      audit.usage_date,
      (audit.audited_ms / 1000).toFixed(3),
      audit.changes,
      (audit.as_of_ms / 1000).toFixed(3),
      audit.accepted_events,
      audit.raw_events,
      audit.rollup_events,
      audit.partnership_events,
      audit.differences,
    ]),
  )
  await reads.insert({ table: 'day_audits_v1', columns: COLUMNS, text: text.join('') })
}

const COLUMNS = ['usage_date', 'audited_at', 'changes', 'as_of', 'accepted_events', 'raw_events', 'rollup_events', 'partnership_events', 'differences']

export interface DayAuditsQuery {
  /** Days; `end` is exclusive. */
  readonly from: string
  readonly end: string
  readonly limit: number
}

/** The stored results, the newest day first. Throws StoreError. */
export function listDayAudits({ reads }: ClickHouse, query: DayAuditsQuery): Promise<DayAudit[]> {
  return reads.query(storedDayAudits, { ...query })
}

const storedDayAudits = defineQuery({
  name: 'stored_day_audits',
  sql: `SELECT usage_date, toUnixTimestamp64Milli(audited_at) AS audited_ms, toUnixTimestamp64Milli(as_of) AS as_of_ms, changes,
          accepted_events, raw_events, rollup_events, partnership_events, differences
        FROM day_audits_v1 FINAL WHERE usage_date >= {from: Date} AND usage_date < {end: Date}
        ORDER BY usage_date DESC LIMIT {limit: UInt64}`,
  params: z.object({ from: z.string(), end: z.string(), limit: z.number() }),
  row: DayAudit,
})

/** A summary of all stored results. */
export interface AuditedDays {
  readonly differences: number
  /** The start of the newest audited day, in seconds since 1970; undefined before the first audit. */
  readonly lastDaySeconds: number | undefined
}

/** Throws StoreError. */
export async function readAuditedDays({ reads }: ClickHouse): Promise<AuditedDays> {
  const { days, differences, lastDaySeconds } = await queryOne(reads, auditedDays, {})
  return { differences, lastDaySeconds: days === 0 ? undefined : lastDaySeconds }
}

const auditedDays = defineQuery({
  name: 'audited_days',
  sql: `SELECT count() AS days, sum(differences) AS differences, toUInt64(toUInt16(max(usage_date))) * 86400 AS lastDaySeconds FROM day_audits_v1 FINAL`,
  params: z.object({}),
  row: z.object({ days: z.coerce.number(), differences: z.coerce.number(), lastDaySeconds: z.coerce.number() }),
})
