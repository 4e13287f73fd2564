import { z } from 'zod'
import { CONTRIBUTORS_MAX, CORRECTIONS_MAX, LATE_EVENTS_MAX } from '../../contract/explain.ts'
import { isKindOfStates, type MetricKind } from '../../metering/metrics.ts'
import type { Period } from '../../metering/period.ts'
import type { Quantity } from '../../metering/quantity.ts'
import type { Lane } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { queryOne } from '../../sql/query-one.ts'
import { EVENTS_THAT_COUNT, effectiveEvents, perSource, readSource, statesOfEvents } from '../usage/effective-usage.ts'
import { PROJECT_VALUE_FROM_EVENTS, PROJECT_VALUE_FROM_ROLLUP, projectValueFromEventsIf } from '../usage/peak-or-sum.ts'
import { PROJECTS_OF_PARTNER } from '../usage/projects-of-partner.ts'
import { valuesOfStates } from '../usage/state-values.ts'
import { correctionsWhere, type StoredCorrection, StoredCorrectionRow, withTexts } from '../usage/stored-corrections.ts'

/** The number to explain: of all projects of a partner, or of one project. */
export interface ExplainedNumber {
  readonly of: { readonly partnerId: string } | { readonly projectId: string }
  readonly metric: string
  readonly period: Period
}

export type EvidenceSummary = z.output<typeof SummaryRow>
export type ContributingDay = { readonly day: string } & Share
export type ProjectShare = { readonly projectId: string } & Share
interface Share {
  readonly value: Quantity
  readonly events: number
}

export type StoredEvent = z.output<typeof EventRow>

/** The events behind a number: those that count, with their effective values. `lateValue` is the number minus what it would be without the late events. Throws StoreError. */
export async function readEvidenceSummary(lane: Lane, number: ExplainedNumber, kind: MetricKind): Promise<EvidenceSummary> {
  const summary = await queryOne(lane, explainSummary, paramsOf(number))
  return isKindOfStates(kind) ? { ...summary, ...(await queryOne(lane, explainLateStates, paramsOf(number))) } : summary
}

/** The projects with the largest share: for a cumulative metric their sum, for a peak metric their value on `peakDay`. Throws StoreError. */
export async function readLargestProjects(lane: Lane, number: ExplainedNumber, peakDay: string | null): Promise<ProjectShare[]> {
  const rows = await lane.query(explainProjects[await sourceOf(lane, number)], { ...paramsOf(number), peakDays: peakDay === null ? [] : [peakDay] })
  return rows.map(({ counted: events, ...row }) => ({ ...row, events }))
}

/** A project's days, the largest first, on ties the earliest first. Throws StoreError. */
export async function readLargestDays(lane: Lane, number: ExplainedNumber): Promise<ContributingDay[]> {
  const rows = await lane.query(explainDays[await sourceOf(lane, number)], paramsOf(number))
  return rows.map(({ counted: events, ...row }) => ({ ...row, events }))
}

function sourceOf(lane: Lane, { period }: ExplainedNumber) {
  return readSource(lane, { from: period.first, end: period.end })
}

/** The events with the largest values first, on ties the earliest first; of the kind `last` the latest events first. Throws StoreError. */
export function readLargestEvents(lane: Lane, number: ExplainedNumber): Promise<StoredEvent[]> {
  return lane.query(explainEvents, paramsOf(number))
}

/** The late events that were received last, the newest first. Throws StoreError. */
export function readLateEvents(lane: Lane, number: ExplainedNumber): Promise<StoredEvent[]> {
  return lane.query(explainLateEvents, paramsOf(number))
}

/** How many corrections the events of a number have, voids among them, and the last received of them, the newest first. Throws StoreError. */
export async function readCorrections(lane: Lane, number: ExplainedNumber): Promise<{ all: number; voids: number; latest: readonly StoredCorrection[] }> {
  const { all, voids } = await queryOne(lane, explainCountCorrections, paramsOf(number))
  return { all, voids, latest: all === 0 ? [] : await withTexts(lane, await lane.query(explainCorrections, paramsOf(number))) }
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

/** The condition for the rows of the explained number, in raw, in the rollup and in the corrections. Either the partner or the list of projects is empty. */
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
      if({metric: String} GLOBAL IN (SELECT metric FROM metrics_v1 FINAL WHERE kind = 'peak'), max(day_value) - max(day_on_time), sum(day_value) - sum(day_on_time)) AS lateValue
    FROM (
      SELECT usage_date, sum(project_events) AS day_events, sum(project_late_events) AS day_late_events,
        min(project_first) AS day_first, max(project_last) AS day_last, sum(project_value) AS day_value, sum(project_on_time) AS day_on_time
      FROM (
        SELECT project_id, usage_date, count() AS project_events, countIf(${IS_LATE}) AS project_late_events,
          min(timestamp) AS project_first, max(timestamp) AS project_last,
          ${PROJECT_VALUE_FROM_EVENTS} AS project_value,
          ${projectValueFromEventsIf(`NOT (${IS_LATE})`)} AS project_on_time
        FROM ${effectiveEvents(EXPLAINED)}
        GROUP BY project_id, usage_date, metric
      )
      GROUP BY usage_date
    )`,
  params: NumberParams,
  row: SummaryRow,
  settings: RAW_SETTINGS,
})

const sumOfStates = (events: string) =>
  `(SELECT sum(added_value) FROM (SELECT added AS added_value FROM ${valuesOfStates(statesOfEvents(EXPLAINED, events), 'span')}))`

/** The same for the kinds `last` and `unique`, of which neither the values nor the days add up. */
const explainLateStates = defineQuery({
  name: 'explain_late_states',
  sql: `SELECT ${sumOfStates('true')} - ${sumOfStates(`NOT (${IS_LATE})`)} AS lateValue`,
  params: NumberParams,
  row: SummaryRow.pick({ lateValue: true }),
  settings: RAW_SETTINGS,
})

const ProjectRow = z.object({ projectId: z.string(), value: z.string(), counted: z.coerce.number() })

const explainProjects = perSource((source) =>
  defineQuery({
    name: 'explain_projects',
    sql: `
    SELECT project_id AS projectId, ${PROJECT_VALUE_FROM_ROLLUP} AS value, ${EVENTS_THAT_COUNT} AS counted
    FROM ${source(`${EXPLAINED} AND (empty({peakDays: Array(Date)}) OR usage_date IN {peakDays: Array(Date)})`)}
    GROUP BY project_id, metric HAVING counted > 0
    ORDER BY value DESC, project_id
    LIMIT ${CONTRIBUTORS_MAX}`,
    params: NumberParams.extend({ peakDays: z.array(z.string()) }),
    row: ProjectRow,
  }),
)

const DayRow = z.object({ day: z.string(), value: z.string(), counted: z.coerce.number() })

const explainDays = perSource((source) =>
  defineQuery({
    name: 'explain_days',
    sql: `
    SELECT usage_date AS day, ${PROJECT_VALUE_FROM_ROLLUP} AS value, ${EVENTS_THAT_COUNT} AS counted
    FROM ${source(EXPLAINED, 'day')}
    GROUP BY usage_date, metric HAVING counted > 0
    ORDER BY value DESC, usage_date
    LIMIT ${CONTRIBUTORS_MAX}`,
    params: NumberParams,
    row: DayRow,
  }),
)

const EventRow = z.object({
  projectId: z.string(),
  eventId: z.string(),
  day: z.string(),
  value: z.string(),
  /** Of an event of the kind `unique`: the text that is counted; else ''. */
  text: z.string(),
  timestampMs: z.coerce.number(),
  receivedMs: z.coerce.number(),
})

const EVENT_SELECT = `SELECT project_id AS projectId, event_id AS eventId, usage_date AS day, value, text,
          toUnixTimestamp64Milli(timestamp) AS timestampMs, toUnixTimestamp64Milli(received_at) AS receivedMs
        FROM ${effectiveEvents(EXPLAINED)}`

/** Then the events are listed that decide its value: the latest ones. */
const IS_LAST = `{metric: String} GLOBAL IN (SELECT metric FROM metrics_v1 FINAL WHERE kind = 'last')`

const explainEvents = defineQuery({
  name: 'explain_events',
  sql: `${EVENT_SELECT} ORDER BY if(${IS_LAST}, timestamp, toDateTime64(0, 3, 'UTC')) DESC, if(${IS_LAST}, bitNot(rank), 0) DESC, value DESC, timestamp, event_id LIMIT ${CONTRIBUTORS_MAX}`,
  params: NumberParams,
  row: EventRow,
  settings: RAW_SETTINGS,
})

const explainLateEvents = defineQuery({
  name: 'explain_late_events',
  sql: `${EVENT_SELECT} WHERE ${IS_LATE} ORDER BY received_at DESC, project_id, event_id LIMIT ${LATE_EVENTS_MAX}`,
  params: NumberParams,
  row: EventRow,
  settings: RAW_SETTINGS,
})

const explainCountCorrections = defineQuery({
  name: 'explain_count_corrections',
  sql: `SELECT count() AS all, countIf(action = 'void') AS voids FROM usage_corrections_v1 FINAL WHERE corrects != '' AND ${EXPLAINED}`,
  params: NumberParams,
  row: z.object({ all: z.coerce.number(), voids: z.coerce.number() }),
})

const explainCorrections = defineQuery({
  name: 'explain_corrections',
  sql: `SELECT * EXCEPT value_after FROM (${correctionsWhere(EXPLAINED)}) ORDER BY receivedMs DESC, projectId, eventId, corrects LIMIT ${CORRECTIONS_MAX}`,
  params: NumberParams,
  row: StoredCorrectionRow,
})
