import { billionths } from './billionths.ts'
import { dayOf } from './day-of.ts'
import type { CountedEvent, CountedWindow } from './folded-project.ts'

/** Queries the store with SQL over HTTP, without the product's own client. */
export class StoreOverHttp {
  readonly #url: string

  /** A URL as in CLICKHOUSE_URL; its path is the database. */
  constructor(url: string) {
    this.#url = url
  }

  /** Returns the rows of a query, each as the texts of its columns. Throws with the server's message. */
  async rows(sql: string): Promise<string[][]> {
    const text = await this.command(`${sql}\nFORMAT TabSeparatedRaw`)
    return text.split('\n').flatMap((line) => (line === '' ? [] : [line.split('\t')]))
  }

  async command(sql: string): Promise<string> {
    const { origin, pathname, username, password } = new URL(this.#url)
    const response = await fetch(`${origin}/?database=${pathname.slice(1) || 'default'}`, {
      method: 'POST',
      headers: username === '' ? {} : { authorization: `Basic ${btoa(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`)}` },
      body: sql,
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`ClickHouse answered ${response.status}: ${text.slice(0, 500)}`)
    return text
  }
}

/**
 * The servers of a store. Each is queried about its own tables, and not through the first one as the product does it: so what two of them have
 * would be found twice.
 */
export class StoredOnServers {
  readonly servers: readonly StoreOverHttp[]

  /** URLs as in CLICKHOUSE_URLS. */
  constructor(urls: readonly string[]) {
    this.servers = urls.map((url) => new StoreOverHttp(url))
  }

  /** The rows of all servers. */
  async rows(sql: string): Promise<string[][]> {
    return (await Promise.all(this.servers.map((server) => server.rows(sql)))).flat()
  }
}

/** The sum, the maximum and the number of the events of a (project, day, metric), and the number of those that count. */
export interface Total {
  readonly sum: bigint
  readonly peak: bigint
  readonly events: number
  readonly counted: number
}

/** project → day → metric. */
export type Totals = Map<string, Map<string, Map<string, Total>>>

function addTotal(totals: Totals, [project, day, metric]: readonly [string, string, string], { sum, peak, events, counted }: Total): void {
  const days = totals.get(project) ?? new Map<string, Map<string, Total>>()
  totals.set(project, days)
  const metrics = days.get(day) ?? new Map<string, Total>()
  days.set(day, metrics)
  const before = metrics.get(metric) ?? { sum: 0n, peak: 0n, events: 0, counted: 0 }
  metrics.set(metric, {
    sum: before.sum + sum,
    peak: peak > before.peak ? peak : before.peak,
    events: before.events + events,
    counted: before.counted + counted,
  })
}

export function totalsOf(events: Iterable<CountedEvent>): Totals {
  const totals: Totals = new Map()
  for (const event of events)
    addTotal(totals, [event.projectId, dayOf(event), event.metric], { sum: event.quantity, peak: event.quantity, events: 1, counted: 1 })
  return totals
}

/**
 * What the rollup has: the sums and the number of the events that count, with the peaks and the number of the events as they were sent. An event
 * of a batch adds nothing but itself to the number of events. The record that closes or reverts a batch has a row of zeros on the first day of
 * the batch, on which there may be no event.
 */
export function rollupTotalsOf(sent: readonly CountedEvent[], effective: Iterable<CountedEvent>, windows: Iterable<CountedWindow>): Totals {
  const totals = totalsOf(sent.map((event) => (event.batch === '' ? event : { ...event, quantity: 0n })))
  for (const { projectId, from, metric } of windows) addTotal(totals, [projectId, from, metric], { sum: 0n, peak: 0n, events: 0, counted: 0 })
  const now = totalsOf(effective)
  for (const [project, days] of totals)
    for (const [day, metrics] of days)
      for (const [metric, total] of metrics) {
        const { sum, counted } = now.get(project)?.get(day)?.get(metric) ?? { sum: 0n, counted: 0 }
        metrics.set(metric, { ...total, sum, counted })
      }
  return totals
}

export function totalsFromRows(rows: readonly string[][]): Totals {
  const totals: Totals = new Map()
  for (const [project = '', day = '', metric = '', sum = '', peak = '', events = '', counted = events] of rows)
    addTotal(totals, [project, day, metric], { sum: billionths(sum), peak: billionths(peak), events: Number(events), counted: Number(counted) })
  return totals
}

export const RAW_TOTALS = `SELECT project_id, usage_date, metric, sum(toDecimal256(value, 9)), max(value), count()
  FROM raw_usage_events_v1 FINAL GROUP BY project_id, usage_date, metric`

export const ROLLUP_TOTALS = `SELECT project_id, usage_date, metric, sum(total), max(peak), sum(events), sum(events) - sum(voided)
  FROM project_usage_per_day_v1 GROUP BY project_id, usage_date, metric`

export const RAW_EVENTS = `SELECT project_id, event_id, metric, value, toUnixTimestamp64Milli(timestamp), log, offset, labels, text, correction_batch
  FROM raw_usage_events_v1`

export const CORRECTIONS = `SELECT project_id, event_id, corrects, action, value, log, offset, revision, correction_batch FROM usage_corrections_v1`

/** The latest sample and the number of different texts, as they are stored. */
export const STATES = `SELECT project_id, usage_date, metric, toString(max(last)), uniqExactMerge(distinct_texts)
  FROM usage_states_per_day_v1 GROUP BY project_id, usage_date, metric`

export const REJECTED_EVENTS = 'SELECT log, offset, reason FROM rejected_events_v1 FINAL'

/** The sets of labels of a (project, day, metric) whose sums, peaks or numbers differ between raw and the rollup, with what corrections have added. */
export const LABELS_THAT_DIFFER = `SELECT project_id, usage_date, metric, labels FROM (
  SELECT project_id, usage_date, metric, labels, sumIf(toDecimal256(value, 9), correction_batch = '') AS raw_total,
    maxIf(value, correction_batch = '') AS raw_peak, toInt64(count()) AS raw_events,
    toDecimal256(0, 9) AS rollup_total, toDecimal128(0, 9) AS rollup_peak, toInt64(0) AS rollup_events
  FROM raw_usage_events_v1 FINAL GROUP BY ALL
  UNION ALL
  SELECT project_id, usage_date, metric, labels, sum(added_total), toDecimal128(0, 9), toInt64(0), toDecimal256(0, 9), toDecimal128(0, 9), toInt64(0)
  FROM usage_corrections_v1 FINAL GROUP BY ALL
  UNION ALL
  SELECT project_id, usage_date, metric, labels, toDecimal256(0, 9), toDecimal128(0, 9), toInt64(0), sum(total), max(peak), sum(events)
  FROM project_usage_per_day_v1 GROUP BY ALL
) GROUP BY project_id, usage_date, metric, labels
HAVING sum(raw_total) != sum(rollup_total) OR max(raw_peak) != max(rollup_peak) OR sum(raw_events) != sum(rollup_events)`
