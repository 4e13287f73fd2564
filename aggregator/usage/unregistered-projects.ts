import { z } from 'zod'
import { UNREGISTERED_DAYS_DEFAULT } from '../../contract/unregistered-projects.ts'
import { dayOf, MS_PER_DAY } from '../../metering/timestamp.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { queryOne } from '../../sql/query-one.ts'
import { EVENTS_THAT_COUNT } from './effective-usage.ts'

/** A project with usage that nobody registered, so that nobody is billed for it. */
export type UnregisteredProject = z.output<typeof UnregisteredRow>

export interface UnregisteredPage {
  /** The first day whose usage is listed. */
  readonly from: string
  /** The last project of the previous page; empty on the first. */
  readonly after: string
  readonly limit: number
}

/** Sorted by id, so that new usage moves no project to another page. Reads the rollup of these days only. Throws StoreError. */
export function listUnregisteredProjects({ reads }: ClickHouse, page: UnregisteredPage): Promise<UnregisteredProject[]> {
  return reads.query(unregisteredProjects, { ...page })
}

/** The number of projects that the list shows by default. Throws StoreError. */
export async function countUnregisteredProjects({ reads }: ClickHouse, nowMs: number): Promise<number> {
  return (await queryOne(reads, unregisteredCount, { from: firstDayOf(UNREGISTERED_DAYS_DEFAULT, nowMs) })).projects
}

/** The first of so many UTC days up to today. */
export function firstDayOf(days: number, nowMs: number): string {
  return dayOf(nowMs - (days - 1) * MS_PER_DAY)
}

const IS_UNREGISTERED = 'project_id NOT IN (SELECT project_id FROM projects_v1)'

const UnregisteredRow = z.object({
  projectId: z.string(),
  events: z.coerce.number(),
  days: z.coerce.number(),
  firstDay: z.string(),
  lastDay: z.string(),
  lastEventMs: z.coerce.number(),
})

const unregisteredProjects = defineQuery({
  name: 'unregistered_projects',
  sql: `
    SELECT project_id AS projectId, sum(day_events) AS events, count() AS days, min(usage_date) AS firstDay, max(usage_date) AS lastDay,
      toUnixTimestamp64Milli(max(day_last_event_at)) AS lastEventMs
    FROM (
      SELECT project_id, usage_date, ${EVENTS_THAT_COUNT} AS day_events, max(last_event_at) AS day_last_event_at
      FROM project_usage_per_day_v1
      WHERE usage_date >= {from: Date} AND project_id > {after: String} AND ${IS_UNREGISTERED}
      GROUP BY project_id, usage_date HAVING day_events > 0
    )
    GROUP BY project_id ORDER BY project_id LIMIT {limit: UInt64}`,
  params: z.object({ from: z.string(), after: z.string(), limit: z.number() }),
  row: UnregisteredRow,
})

const unregisteredCount = defineQuery({
  name: 'unregistered_projects_count',
  sql: `SELECT count() AS projects FROM (
          SELECT project_id FROM project_usage_per_day_v1 WHERE usage_date >= {from: Date} AND ${IS_UNREGISTERED}
          GROUP BY project_id HAVING ${EVENTS_THAT_COUNT} > 0
        )`,
  params: z.object({ from: z.string() }),
  row: z.object({ projects: z.coerce.number() }),
})
