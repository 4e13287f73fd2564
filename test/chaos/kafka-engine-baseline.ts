import { METRIC_NAMES } from '../../metering/metrics.ts'
import { waitForAll } from './clock.ts'
import { keysOf } from './compare-stored.ts'
import { type Fold, sentEvents } from './fold.ts'
import type { CountedEvent } from './folded-project.ts'
import { StoreOverHttp, type Totals, totalsFromRows, totalsOf } from './stored.ts'

/**
 * The baseline under the same chaos: ClickHouse's own Kafka engine and a view that adds values. It skips invalid and forwarded
 * records as well as SQL can, but it detects no duplicates.
 */
export class KafkaEngineBaseline {
  readonly #store: StoreOverHttp
  readonly #database: string
  readonly #root: StoreOverHttp

  constructor(clickhouseUrl: string) {
    const url = new URL(clickhouseUrl)
    this.#database = `${url.pathname.slice(1)}_baseline`
    url.pathname = '/default'
    this.#root = new StoreOverHttp(url.toString())
    url.pathname = `/${this.#database}`
    this.#store = new StoreOverHttp(url.toString())
  }

  async create(brokers: string, topic: string): Promise<void> {
    await this.#root.command(`CREATE DATABASE IF NOT EXISTS ${this.#database}`)
    await this.#store.command(`CREATE TABLE totals (project_id String, usage_date Date, metric String, total Decimal(76, 9), peak Decimal(76, 9), events Int64)
      ENGINE = MergeTree ORDER BY (project_id, usage_date, metric)`)
    await this.#store.command('CREATE TABLE seen (partition UInt64, next UInt64, records UInt64) ENGINE = MergeTree ORDER BY partition')
    await this.#store.command(`CREATE TABLE queue (record String) ENGINE = Kafka SETTINGS kafka_broker_list = '${brokers}', kafka_topic_list = '${topic}',
      kafka_group_name = '${topic}-baseline', kafka_format = 'RawBLOB', kafka_num_consumers = 1, kafka_flush_interval_ms = 1000`)
    await this.#store.command(
      'CREATE MATERIALIZED VIEW seen_mv TO seen AS SELECT _partition AS partition, max(_offset) + 1 AS next, count() AS records FROM queue GROUP BY _partition',
    )
    await this.#store.command(`CREATE MATERIALIZED VIEW totals_mv TO totals AS
      SELECT project_id, toDate(at, 'UTC') AS usage_date, metric, sum(quantity) AS total, max(quantity) AS peak, toInt64(count()) AS events
      FROM (
        SELECT JSONExtractString(record, 'project_id') AS project_id, JSONExtractString(record, 'metric') AS metric,
          toDecimal256OrNull(trim(BOTH '"' FROM JSONExtractRaw(record, 'value')), 9) AS quantity,
          parseDateTime64BestEffortOrNull(JSONExtractString(record, 'timestamp'), 3, 'UTC') AS at
        FROM queue
        WHERE isValidJSON(record) AND NOT has(_headers.name, 'passed_from') AND NOT has(_headers.name, 'refused')
          AND match(JSONExtractString(record, 'project_id'), '^[A-Za-z0-9_.:-]+$') AND JSONExtractString(record, 'event_id') != ''
          AND JSONExtractString(record, 'metric') IN (${METRIC_NAMES.map((name) => `'${name}'`).join(', ')})
          AND match(JSONExtractRaw(record, 'value'), '^"?[0-9]+([.][0-9]+)?"?$')
      )
      WHERE quantity >= 0 AND at IS NOT NULL AND at < now() + 300
      GROUP BY project_id, usage_date, metric`)
  }

  /** Waits until its consumer has read to the end, and describes the result. */
  async report(fold: Fold, ends: ReadonlyMap<number, number>): Promise<string> {
    const wait = waitForAll({ what: "ClickHouse's Kafka engine", secondsMax: 60, findMissing: () => this.#findMissing(ends) })
    const late = await wait.then(
      () => '',
      (error: unknown) => ` (not finished: ${String(error)})`,
    )
    const actual = totalsFromRows(
      await this.#store.rows('SELECT project_id, usage_date, metric, sum(total), max(peak), sum(events) FROM totals GROUP BY project_id, usage_date, metric'),
    )
    const records = Number((await this.#store.rows('SELECT sum(records) FROM seen'))[0]?.[0])
    // It has no kinds other than peaks and sums.
    const documented = (events: readonly CountedEvent[]) => totalsOf(events.filter(({ metric }) => METRIC_NAMES.some((name) => name === metric)))
    const [all, fromKills] = [difference(documented(sentEvents(fold)), actual), difference(documented(fold.withDuplicates), actual)]
    const offsets = [...ends.values()].reduce((sum, end) => sum + end, 0)
    return (
      `for comparison, ClickHouse's Kafka engine with an additive view: ${all}${late}\n` +
      `  caused by the kills alone (compared with adding every record of the topic once, including duplicates and conflicts): ${fromKills}; it read ${records} records of ${offsets} offsets`
    )
  }

  async drop(): Promise<void> {
    await this.#root.command(`DROP DATABASE IF EXISTS ${this.#database} SYNC`)
  }

  async #findMissing(ends: ReadonlyMap<number, number>): Promise<string | undefined> {
    const rows = await this.#store.rows('SELECT partition, max(next) FROM seen GROUP BY partition')
    const next = new Map(rows.map(([partition, offset]) => [Number(partition), Number(offset)]))
    const behind = [...ends].filter(([partition, end]) => (next.get(partition) ?? 0) < end)
    return behind.length === 0 ? undefined : behind.map(([partition, end]) => `partition ${partition} ${next.get(partition) ?? 0} of ${end}`).join(', ')
  }
}

function difference(expected: Totals, actual: Totals): string {
  const keys = [...new Set([...keysOf(expected), ...keysOf(actual)])]
  let [differing, expectedEvents, actualEvents] = [0, 0, 0]
  for (const key of keys) {
    const [project = '', day = '', metric = ''] = JSON.parse(key) as string[]
    const [one, other] = [expected, actual].map((totals) => totals.get(project)?.get(day)?.get(metric))
    expectedEvents += one?.events ?? 0
    actualEvents += other?.events ?? 0
    if (one?.sum !== other?.sum || one?.events !== other?.events) differing += 1
  }
  const percent = (100 * Math.abs(actualEvents - expectedEvents)) / Math.max(1, expectedEvents)
  return `${differing} of ${keys.length} totals differ (counted ${percent.toFixed(2)} % too ${actualEvents >= expectedEvents ? 'many' : 'few'} events)`
}
