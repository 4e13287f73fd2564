import { z } from 'zod'
import { EVENTS_THAT_COUNT, perSource, readSource } from '../../aggregator/usage/effective-usage.ts'
import { KNOWN_METRIC, UNIT_OF_METRIC } from '../../aggregator/usage/known-metrics.ts'
import { PROJECT_VALUE_FROM_ROLLUP } from '../../aggregator/usage/peak-or-sum.ts'
import type { Unit } from '../../metering/focus-services.ts'
import type { Quantity } from '../../metering/quantity.ts'
import { dayOf, MS_PER_DAY } from '../../metering/timestamp.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'

/** A day of a project in a metric that is unlike its weekday, with the numbers by which it was judged. */
export interface Spike extends z.output<typeof SpikeRow> {
  readonly day: string
}

/** The same weekday of so many weeks before. */
const SPIKE_WEEKS = 8
/** With fewer weeks of usage nothing is known to be usual. */
const WEEKS_MIN = 4
/** In standard deviations; the median absolute deviation times 1.4826 is one if usage is distributed normally. */
export const SPIKE_DEVIATIONS = 5
/** So many of a day, the greatest ones measured by the floors of their units. */
const SPIKES_MAX = 10_000

/** A smaller difference is no spike, however constant usage was. The units of the documented metrics. */
const FLOORS: Readonly<Record<Unit, Quantity>> = {
  byte: '1000000000',
  token: '100000',
  call: '1000',
  credit: '10',
  request: '1000',
  second: '36000',
}
/** For other units, which operators have chosen: nothing says how much of them is little, so half of what is usual is needed too. */
const OTHER_FLOOR: Quantity = '10'

/**
 * The spikes of a complete day, upwards and downwards, the greatest differences first, measured by their floors: the value differs from the
 * median of the same weekday of the last weeks by more than so many deviations, and by the floor, which is that of its unit or, for other
 * units, 10 or half of the median. A weekday without usage counts as 0, from the first day on which the project reported the metric. Projects
 * that are deleted or not registered are left out. Throws StoreError.
 */
export async function findSpikes({ work }: ClickHouse, day: string): Promise<Spike[]> {
  const dayMs = Date.parse(`${day}T00:00:00Z`)
  const weekdays = Array.from({ length: SPIKE_WEEKS }, (_, index) => dayOf(dayMs - (index + 1) * 7 * MS_PER_DAY))
  const params = {
    ...{ day, weekdays, first: weekdays.at(-1) ?? day, latestFirst: weekdays[WEEKS_MIN - 1] ?? day },
    ...{ units: Object.keys(FLOORS), floors: Object.values(FLOORS), otherFloor: OTHER_FLOOR },
  }
  const source = await readSource(work, { from: params.first, end: dayOf(dayMs + MS_PER_DAY) })
  return (await work.query(spikesOfDay[source], params)).map((row) => ({ ...row, day }))
}

const SpikeRow = z.object({
  projectId: z.string(),
  partnerId: z.string(),
  metric: z.string(),
  unit: z.string(),
  value: z.string(),
  median: z.string(),
  /** The median absolute deviation. */
  deviation: z.string(),
  /** The values of the weekdays that were compared, ascending. */
  weeks: z.array(z.string()),
  floor: z.string(),
})

/** Halves are cut after nine digits. */
const spikesOfDay = perSource((from) =>
  defineQuery({
    name: 'spikes_of_day',
    sql: `
    WITH
      arrayFilter(weekday -> weekday >= first_day, arrayMap(text -> toDate(text), {weekdays: Array(String)})) AS known,
      arraySort(arrayMap(weekday -> if(has(days, weekday), values[indexOf(days, weekday)], toDecimal256('0', 9)), known)) AS sorted,
      length(sorted) AS n,
      divideDecimal(sorted[intDiv(n + 1, 2)] + sorted[intDiv(n, 2) + 1], toDecimal32(2, 0), 9) AS middle,
      greatest(toDecimal256({otherFloor: String}, 9), divideDecimal(middle, toDecimal32(2, 0), 9)) AS other_floor,
      if(has({units: Array(String)}, unit), arrayMap(text -> toDecimal256(text, 9), {floors: Array(String)})[indexOf({units: Array(String)}, unit)], other_floor) AS floor_value,
      arraySort(arrayMap(each -> abs(each - middle), sorted)) AS deviations,
      divideDecimal(deviations[intDiv(n + 1, 2)] + deviations[intDiv(n, 2) + 1], toDecimal32(2, 0), 9) AS typical,
      if(has(days, {day: Date}), values[indexOf(days, {day: Date})], toDecimal256('0', 9)) AS day_value,
      abs(day_value - middle) AS difference
    SELECT project_id AS projectId, partner_id AS partnerId, metric, unit, day_value AS value, middle AS median, typical AS deviation, sorted AS weeks,
      floor_value AS floor
    FROM (
      SELECT project_id, metric, ${UNIT_OF_METRIC} AS unit, min(usage_date) AS first_day, groupArray(usage_date) AS days, groupArray(day_value_of) AS values
      FROM (
        SELECT project_id, metric, usage_date, ${PROJECT_VALUE_FROM_ROLLUP} AS day_value_of
        FROM ${from(`usage_date >= {first: Date} AND usage_date <= {day: Date} AND ${KNOWN_METRIC}`, 'day')}
        GROUP BY project_id, metric, usage_date HAVING ${EVENTS_THAT_COUNT} > 0
      )
      GROUP BY project_id, metric
      HAVING first_day <= {latestFirst: Date}
    ) AS used
    INNER JOIN (SELECT project_id, partner_id FROM projects_v1 FINAL WHERE status != 'deleted') AS known_projects USING project_id
    WHERE difference >= floor_value AND toFloat64(difference) > toFloat64(typical) * 1.4826 * ${SPIKE_DEVIATIONS}
    ORDER BY toFloat64(difference) / toFloat64(floor_value) DESC, projectId, metric LIMIT ${SPIKES_MAX}`,
    params: z.object({
      day: z.string(),
      first: z.string(),
      latestFirst: z.string(),
      weekdays: z.array(z.string()),
      units: z.array(z.string()),
      floors: z.array(z.string()),
      otherFloor: z.string(),
    }),
    row: SpikeRow,
  }),
)
