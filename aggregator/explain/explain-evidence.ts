import { z } from 'zod'
import { CONTRIBUTORS_MAX, LATE_EVENTS_MAX } from '../../contract/explain.ts'
import type { Period } from '../../metering/period.ts'
import type { Lane } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { queryOne } from '../../sql/query-one.ts'
import { PROJECT_VALUE_FROM_RAW, PROJECT_VALUE_FROM_ROLLUP, projectValueFromRawIf } from '../usage/peak-or-sum.ts'
import { PROJECTS_OF_PARTNER } from '../usage/projects-of-partner.ts'

/** The number to explain: of all projects of a partner, or of one project. */
export interface ExplainedNumber {
  readonly of: { readonly partnerId: string } | { readonly projectId: string }
  readonly metric: string
  readonly period: Period
}

export type EvidenceSummary = z.output<typeof SummaryRow>
export type ContributingDay = z.output<typeof DayRow>
export type ProjectShare = z.output<typeof ProjectRow>
export type StoredEvent = z.output<typeof EventRow>

/** The events in raw behind a number. `lateValue` is the number minus what it would be without the late events. Throws StoreError. */
export function readEvidenceSummary(lane: Lane, number: ExplainedNumber): Promise<EvidenceSummary> {
  return queryOne(lane, explainSummary, paramsOf(number))
}

/** The projects with the largest share: for a cumulative metric their sum, for a peak metric their value on `peakDay`. Throws StoreError. */
export function readLargestProjects(lane: Lane, number: ExplainedNumber, peakDay: string | null): Promise<ProjectShare[]> {
  return lane.query(explainProjects, { ...paramsOf(number), peakDays: peakDay === null ? [] : [peakDay] })
}

/** A project's days, the largest first, on ties the earliest first. Throws StoreError. */
export function readLargestDays(lane: Lane, number: ExplainedNumber): Promise<ContributingDay[]> {
  return lane.query(explainDays, paramsOf(number))
}

/** The events with the largest values first, on ties the earliest first. Throws StoreError. */
export function readLargestEvents(lane: Lane, number: ExplainedNumber): Promise<StoredEvent[]> {
  return lane.query(explainEvents, paramsOf(number))
}

/** The late events that were received last, the newest first. Throws StoreError. */
export function readLateEvents(lane: Lane, number: ExplainedNumber): Promise<StoredEvent[]> {
  return lane.query(explainLateEvents, paramsOf(number))
}

function paramsOf({ of, metric, period }: ExplainedNumber): z.output<typeof NumberParams> {
  return {
    partnerId: 'partnerId' in of ? of.partnerId : '',
    projects: 'projectId' in of ? [of.projectId] : [],
    metric,
    from: period.first,
    end: period.end,
  }
}

const NumberParams = z.object({
  partnerId: z.string(),
  projects: z.array(z.string()),
  metric: z.string(),
  from: z.string(),
  end: z.string(),
})

/** The condition for the rows of the explained number, in raw and in the rollup. Either the partner or the list of projects is empty. */
const EXPLAINED = `project_id IN (${PROJECTS_OF_PARTNER} UNION ALL SELECT arrayJoin({projects: Array(String)}))
          AND metric = {metric: String} AND usage_date >= {from: Date} AND usage_date < {end: Date}`

/** Received after its UTC day was over. */
const IS_LATE = `received_at >= toDateTime64(usage_date + 1, 3, 'UTC')`

/** All rows of an event's identity are in one month, so FINAL need not merge across partitions. */
const RAW_SETTINGS = { max_execution_time: 100, do_not_merge_across_partitions_select_final: 1 }

const SummaryRow = z.object({
  events: z.coerce.number(),
  firstMs: z.coerce.number().nullable(),
  lastMs: z.coerce.number().nullable(),
  lateEvents: z.coerce.number(),
  lateValue: z.string(),
})

/** The values with and without late events are computed as usage is: per project and day first, then over the projects, then over the days. */
const explainSummary = defineQuery({
  name: 'explain_extent',
  sql: `
    SELECT
      sum(day_events) AS events, sum(day_late_events) AS lateEvents,
      if(events = 0, NULL, toUnixTimestamp64Milli(min(day_first))) AS firstMs,
      if(events = 0, NULL, toUnixTimestamp64Milli(max(day_last))) AS lastMs,
      if({metric: String} IN (SELECT metric FROM metrics_v1 FINAL WHERE kind = 'peak'), max(day_value) - max(day_on_time), sum(day_value) - sum(day_on_time)) AS lateValue
    FROM (
      SELECT usage_date, sum(project_events) AS day_events, sum(project_late_events) AS day_late_events,
        min(project_first) AS day_first, max(project_last) AS day_last, sum(project_value) AS day_value, sum(project_on_time) AS day_on_time
      FROM (
        SELECT project_id, usage_date, count() AS project_events, countIf(${IS_LATE}) AS project_late_events,
          min(timestamp) AS project_first, max(timestamp) AS project_last,
          ${PROJECT_VALUE_FROM_RAW} AS project_value,
          ${projectValueFromRawIf(`NOT (${IS_LATE})`)} AS project_on_time
        FROM raw_usage_events_v1 FINAL WHERE ${EXPLAINED}
        GROUP BY project_id, usage_date, metric
      )
      GROUP BY usage_date
    )`,
  params: NumberParams,
  row: SummaryRow,
  settings: RAW_SETTINGS,
})

const ProjectRow = z.object({ projectId: z.string(), value: z.string(), events: z.coerce.number() })

const explainProjects = defineQuery({
  name: 'explain_projects',
  sql: `
    SELECT project_id AS projectId, ${PROJECT_VALUE_FROM_ROLLUP} AS value, sum(events) AS events
    FROM project_usage_per_day_v1
    WHERE ${EXPLAINED} AND (empty({peakDays: Array(Date)}) OR usage_date IN {peakDays: Array(Date)})
    GROUP BY project_id, metric
    ORDER BY value DESC, project_id
    LIMIT ${CONTRIBUTORS_MAX}`,
  params: NumberParams.extend({ peakDays: z.array(z.string()) }),
  row: ProjectRow,
})

const DayRow = z.object({ day: z.string(), value: z.string(), events: z.coerce.number() })

const explainDays = defineQuery({
  name: 'explain_days',
  sql: `
    SELECT usage_date AS day, ${PROJECT_VALUE_FROM_ROLLUP} AS value, sum(events) AS events
    FROM project_usage_per_day_v1 WHERE ${EXPLAINED}
    GROUP BY usage_date, metric
    ORDER BY value DESC, usage_date
    LIMIT ${CONTRIBUTORS_MAX}`,
  params: NumberParams,
  row: DayRow,
})

const EventRow = z.object({
  projectId: z.string(),
  eventId: z.string(),
  day: z.string(),
  value: z.string(),
  timestampMs: z.coerce.number(),
  receivedMs: z.coerce.number(),
})

const EVENT_SELECT = `SELECT project_id AS projectId, event_id AS eventId, usage_date AS day, value,
          toUnixTimestamp64Milli(timestamp) AS timestampMs, toUnixTimestamp64Milli(received_at) AS receivedMs
        FROM raw_usage_events_v1 FINAL WHERE ${EXPLAINED}`

const explainEvents = defineQuery({
  name: 'explain_events',
  sql: `${EVENT_SELECT} ORDER BY value DESC, timestamp, event_id LIMIT ${CONTRIBUTORS_MAX}`,
  params: NumberParams,
  row: EventRow,
  settings: RAW_SETTINGS,
})

const explainLateEvents = defineQuery({
  name: 'explain_late_events',
  sql: `${EVENT_SELECT} AND ${IS_LATE} ORDER BY received_at DESC, project_id, event_id LIMIT ${LATE_EVENTS_MAX}`,
  params: NumberParams,
  row: EventRow,
  settings: RAW_SETTINGS,
})
