import { z } from 'zod'
import { monthOf, periodOfMonth } from '../../metering/month.ts'
import type { CorrectionWindow, WindowAction } from '../../metering/window-record.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'

/** The value of a project's day or month before and after. Null without events that count. */
export interface UsageChange {
  readonly before: string | null
  readonly after: string | null
  readonly difference: string
  readonly eventsBefore: number
  readonly eventsAfter: number
}

export interface BatchPreview {
  /** Those of the window that have usage before or after. */
  readonly days: readonly (UsageChange & { readonly day: string })[]
  readonly month: UsageChange
}

export interface BatchToPreview extends CorrectionWindow {
  /** Empty: a batch without events. */
  readonly batch: string
  readonly action: WindowAction
  readonly kind: string
}

/**
 * What closing or reverting a batch would change of its project's usage, by the rules of the log (ingest/log/detect-windows.ts), from what
 * is stored now. Throws StoreError.
 */
export async function previewBatch(
  { reads }: Pick<ClickHouse, 'reads'>,
  { batch, action, kind, projectId, metric, from, to }: BatchToPreview,
): Promise<BatchPreview> {
  const { first, end } = periodOfMonth(monthOf(from))
  const isPeak = kind === 'peak' ? 1 : 0
  const params = { projectId, metric, first, end, from, to, batch, closing: `close-${batch}`, closes: action === 'close' ? 1 : 0, isPeak }
  const rows = await reads.query(valuesBeforeAndAfter, params)
  const days = rows.filter(({ isMonth, day, eventsBefore, eventsAfter }) => isMonth === 0 && day >= from && day <= to && eventsBefore + eventsAfter > 0)
  const month = rows.find(({ isMonth }) => isMonth === 1) ?? WITHOUT_USAGE
  return { days, month }
}

/** A month without any event of the metric. The query succeeded, so this is a fact and no default. */
const WITHOUT_USAGE: UsageChange = { before: null, after: null, difference: '0', eventsBefore: 0, eventsAfter: 0 }

/** The fold of values that may be null, which do not count. */
const folded = (value: string) => `if({isPeak: UInt64} = 1, toDecimal256(max(${value}), 9), sum(toDecimal256(${value}, 9)))`
/** The value of an event after one of its corrections. */
const afterState = (state: string) => `if(${state}.2 = 'void', NULL, ${state}.3)`
const FIRST = `if(correction_batch = '', sent_value, NULL)`

const valuesBeforeAndAfter = defineQuery({
  name: 'batch_values_before_and_after',
  sql: `
    SELECT usage_date AS day, grouping(usage_date) AS isMonth,
      if(count(value_before) = 0, NULL, toString(${folded('value_before')})) AS before,
      if(count(value_after) = 0, NULL, toString(${folded('value_after')})) AS after,
      toString(ifNull(${folded('value_after')}, toDecimal256(0, 9)) - ifNull(${folded('value_before')}, toDecimal256(0, 9))) AS difference,
      count(value_before) AS eventsBefore, count(value_after) AS eventsAfter
    FROM (
      SELECT usage_date, if(empty(states), ${FIRST}, ${afterState('states[-1]')}) AS value_before,
        multiIf(
          {closes: UInt64} = 1 AND (usage_date < {from: Date} OR usage_date > {to: Date}), value_before,
          {closes: UInt64} = 1, if(correction_batch = {batch: String} AND correction_batch != '', sent_value, NULL),
          closing = 0, value_before,
          closing = 1, ${FIRST},
          ${afterState('states[closing - 1]')}) AS value_after
      FROM (
        SELECT usage_date, toNullable(value) AS sent_value, correction_batch, states,
          arrayFirstIndex(state -> state.4 = {closing: String}, states) AS closing
        FROM (
          SELECT event_id, usage_date, value, correction_batch FROM raw_usage_events_v1 FINAL
          WHERE project_id = {projectId: String} AND metric = {metric: String} AND usage_date >= {first: Date} AND usage_date < {end: Date}
        ) AS sent
        LEFT JOIN (
          SELECT corrects, arraySort(state -> state.1, groupArray((revision, toString(action), value, event_id))) AS states
          FROM usage_corrections_v1 FINAL
          WHERE project_id = {projectId: String} AND metric = {metric: String} AND usage_date >= {first: Date} AND usage_date < {end: Date} AND corrects != ''
          GROUP BY corrects
        ) AS corrected ON corrected.corrects = sent.event_id
      )
    )
    GROUP BY GROUPING SETS ((usage_date), ())
    ORDER BY isMonth, usage_date`,
  params: z.object({
    projectId: z.string(),
    metric: z.string(),
    first: z.string(),
    end: z.string(),
    from: z.string(),
    to: z.string(),
    batch: z.string(),
    closing: z.string(),
    closes: z.number(),
    isPeak: z.number(),
  }),
  row: z.object({
    day: z.string(),
    isMonth: z.coerce.number(),
    before: z.string().nullable(),
    after: z.string().nullable(),
    difference: z.string(),
    eventsBefore: z.coerce.number(),
    eventsAfter: z.coerce.number(),
  }),
})
