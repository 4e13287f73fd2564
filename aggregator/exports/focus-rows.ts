import { z } from 'zod'
import { FOCUS_VERSIONS, type FocusVersion } from '../../contract/export-formats.ts'
import { REGION_NAMES, REGIONS } from '../../contract/lists.ts'
import { FOCUS_UNITS } from '../../metering/focus-services.ts'
import { METRIC_NAMES, METRICS } from '../../metering/metrics.ts'
import type { Lane } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { AS_TEXT, EXACT_ROW_SETTINGS } from '../statements/canonical-lines.ts'
import { CSV_SETTINGS, CSV_VALUES, type CsvOptions } from './export-csv.ts'
import { PARQUET_SETTINGS, PARQUET_VALUES } from './export-parquet.ts'
import { type FocusType, focusColumnsOf } from './focus-columns.ts'
import { STAGED_ROWS } from './stage-rows.ts'

export interface FocusCharges {
  readonly version: FocusVersion
  readonly exportId: string
  /** Whether a peak metric is charged by its byte-days instead of its peak. */
  readonly isByDays: boolean
  /** The span of the export: the peak of a part of a month is charged for that part. */
  readonly from: string
  readonly end: string
  /** ISO 4217. */
  readonly currency: string
  readonly partners: readonly { readonly id: string; readonly name: string }[]
}

/**
 * The charges of FOCUS. A peak metric has one row per project and month, with the value on the partner's peak day; any other metric, and a peak
 * that is charged by its byte-days, has one row per project and day. Readers of FOCUS add quantities up, and so arrive at the partner's
 * totals. Throws StoreError.
 */
export function streamCharges(
  lane: Lane,
  { version, exportId, isByDays, from, end, currency, partners }: FocusCharges,
  container: 'csv' | 'ndjson' | 'parquet',
  { isGuarded }: CsvOptions,
): AsyncIterable<Uint8Array> {
  const partnerNames = partners.map(({ name }) => name)
  const params = {
    exportId,
    isByDays: isByDays ? 1 : 0,
    from,
    end,
    currency,
    provider: PROVIDER,
    partnerIds: partners.map(({ id }) => id),
    partnerNames,
    ...CATALOGUES,
  }
  const queries = QUERIES[version]
  if (container === 'csv') return lane.bytes(queries.csv, { ...params, isGuarded: isGuarded ? 1 : 0 }, 'CSV')
  return container === 'ndjson' ? lane.bytes(queries.ndjson, params, 'JSONEachRow') : lane.bytes(queries.parquet, params, 'Parquet')
}

export const PROVIDER = 'Meterline'

const SERVICES = METRIC_NAMES.map((metric) => METRICS[metric].service)
/** Pairs of lists: the values of our columns, and what FOCUS calls them. */
const CATALOGUES = {
  units: Object.keys(FOCUS_UNITS),
  focusUnits: Object.values<string>(FOCUS_UNITS),
  regions: [...REGIONS],
  regionNames: REGIONS.map((region) => REGION_NAMES[region]),
  metrics: [...METRIC_NAMES],
  categories: SERVICES.map(({ category }) => category),
  subcategories: SERVICES.map(({ subcategory }) => subcategory),
  services: SERVICES.map(({ name }) => name),
}

const ChargesParams = z.object({
  exportId: z.string(),
  isByDays: z.number(),
  from: z.string(),
  end: z.string(),
  currency: z.string(),
  provider: z.string(),
  partnerIds: z.array(z.string()),
  partnerNames: z.array(z.string()),
  units: z.array(z.string()),
  focusUnits: z.array(z.string()),
  regions: z.array(z.string()),
  regionNames: z.array(z.string()),
  metrics: z.array(z.string()),
  categories: z.array(z.string()),
  subcategories: z.array(z.string()),
  services: z.array(z.string()),
})

/** A correction is charged for the month that it corrects, in the billing period of the statement that contains it. */
const FROM_CHARGES = `
    FROM (
      SELECT *, part.1 AS since, part.2 AS until, part.3 AS quantity
      FROM (
        SELECT *, {isByDays: UInt64} = 1 AND kind = 'peak' AND line != 'manual' AS is_by_days, toDate(concat(month, '-01')) AS month_start, toDate(concat(for_month, '-01')) AS charged_month,
          multiIf(
            line != 'usage', [(charged_month, addMonths(charged_month, 1), if(is_by_days, arrayReduce('sum', values), value))],
            kind IN ('cumulative', 'count') OR is_by_days, arrayMap((day, amount) -> (day, day + 1, amount), days, values),
            [(greatest(month_start, {from: Date}), least(addMonths(month_start, 1), {end: Date}), value)]) AS parts
        FROM ${STAGED_ROWS}
      ) ARRAY JOIN parts AS part
    ) AS charge
    ORDER BY charge.partner_id, charge.place, charge.for_month, charge.project_id, charge.metric, charge.entry, charge.since`

type Formats = Readonly<Record<FocusType, (sql: string) => string>>

function selectCharges(version: FocusVersion, formats: Formats): string {
  const columns = focusColumnsOf(version).map(({ name, type, sql }) => `${formats[type](sql)} AS ${name}`)
  return `SELECT ${columns.join(',\n      ')} ${FROM_CHARGES}`
}

const instant = (sql: string) => `formatDateTime(toDateTime64(${sql}, 3, 'UTC'), '%Y-%m-%dT%H:%i:%SZ', 'UTC')`

const AS_CSV: Formats = { key: (sql) => sql, text: CSV_VALUES.text, amount: CSV_VALUES.decimal, day: CSV_VALUES.day, time: instant }
const AS_NDJSON: Formats = { key: AS_TEXT.text, text: AS_TEXT.text, amount: AS_TEXT.decimal, day: AS_TEXT.day, time: instant }
const AS_PARQUET: Formats = {
  key: PARQUET_VALUES.text,
  text: PARQUET_VALUES.text,
  amount: PARQUET_VALUES.decimal,
  day: PARQUET_VALUES.day,
  time: PARQUET_VALUES.time,
}

function queriesOf(version: FocusVersion) {
  const named = (container: string) => `focus_${version.replace('.', '_')}_${container}_rows`
  return {
    csv: defineQuery({
      name: named('csv'),
      sql: selectCharges(version, AS_CSV),
      params: ChargesParams.extend({ isGuarded: z.number() }),
      row: z.object({}),
      // FOCUS requires a decimal point, so amounts keep all nine fraction digits.
      settings: { ...EXACT_ROW_SETTINGS, ...CSV_SETTINGS, output_format_decimal_trailing_zeros: 1 },
    }),
    ndjson: defineQuery({
      name: named('ndjson'),
      sql: selectCharges(version, AS_NDJSON),
      params: ChargesParams,
      row: z.object({}),
      settings: EXACT_ROW_SETTINGS,
    }),
    parquet: defineQuery({
      name: named('parquet'),
      sql: selectCharges(version, AS_PARQUET),
      params: ChargesParams,
      row: z.object({}),
      settings: { ...EXACT_ROW_SETTINGS, ...PARQUET_SETTINGS },
    }),
  }
}

const QUERIES = Object.fromEntries(FOCUS_VERSIONS.map((version) => [version, queriesOf(version)])) as Readonly<
  Record<FocusVersion, ReturnType<typeof queriesOf>>
>
