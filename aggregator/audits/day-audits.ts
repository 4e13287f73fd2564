import { z } from 'zod'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { queryOne } from '../../sql/query-one.ts'
import { row } from '../../sql/tab-separated.ts'

/** The kept result of a day's newest audit. Counts of events are exact texts. */
export const DayAudit = z.object({
  /** YYYY-MM-DD. */
  usage_date: z.string(),
  /** When the audit began, in ms since 1970; what came later is not in it. */
  audited_ms: z.coerce.number(),
  as_of_ms: z.coerce.number(),
  /** Of usage_day_changes_v1, when the audit began. */
  changes: z.coerce.number(),
  /** Places in a log at which an event of the day was accepted. */
  accepted_events: z.string(),
  /** Identities in raw: more places than identities would be an event that counts twice. */
  raw_events: z.string(),
  /** What the rollup adds up to, over all projects. */
  rollup_events: z.string(),
  /** What the kept partnership days of all partners add up to: less than raw by the events of projects nobody registered. */
  partnership_events: z.string(),
  /** Of (project, day, metric), of (partner, day, metric), and of the counts above. 0 is the only good number. */
  differences: z.coerce.number(),
})
export type DayAudit = z.output<typeof DayAudit>

/** Keeps results. One that is kept twice, by two processes, is the later one. Throws StoreError. */
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

/** The kept results, the newest day first. Throws StoreError. */
export function listDayAudits({ reads }: ClickHouse, asked: DayAuditsQuery): Promise<DayAudit[]> {
  return reads.query(keptDayAudits, { ...asked })
}

const keptDayAudits = defineQuery({
  name: 'kept_day_audits',
  sql: `SELECT usage_date, toUnixTimestamp64Milli(audited_at) AS audited_ms, toUnixTimestamp64Milli(as_of) AS as_of_ms, changes,
          accepted_events, raw_events, rollup_events, partnership_events, differences
        FROM day_audits_v1 FINAL WHERE usage_date >= {from: Date} AND usage_date < {end: Date}
        ORDER BY usage_date DESC LIMIT {limit: UInt64}`,
  params: z.object({ from: z.string(), end: z.string(), limit: z.number() }),
  row: DayAudit,
})

/** Of all kept results together. */
export interface AuditedDays {
  readonly differences: number
  /** The beginning of the newest day that was audited, in seconds since 1970; undefined before the first. */
  readonly lastDaySeconds: number | undefined
}

/** Throws StoreError. */
export async function readAuditedDays({ reads }: ClickHouse): Promise<AuditedDays> {
  const answer = await queryOne(reads, auditedDays, {})
  return { differences: answer.differences, lastDaySeconds: answer.days === 0 ? undefined : answer.last_day_seconds }
}

const auditedDays = defineQuery({
  name: 'audited_days',
  sql: `SELECT count() AS days, sum(differences) AS differences, toUInt64(toUInt16(max(usage_date))) * 86400 AS last_day_seconds FROM day_audits_v1 FINAL`,
  params: z.object({}),
  row: z.object({ days: z.coerce.number(), differences: z.coerce.number(), last_day_seconds: z.coerce.number() }),
})
