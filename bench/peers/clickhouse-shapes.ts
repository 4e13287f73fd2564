import type { Question } from './exact-answers.ts'
import { ASKED_PROJECT, eventJson, MONTH, PARTNERS, type PeerEvent, PROJECTS, PROJECTS_OF_FIRST, partnerOf, projectId, valueText, WEEK } from './peer-events.ts'

/** A way to store usage events in ClickHouse, and to answer from them. */
export interface ClickHouseShape {
  readonly name: 'json_scan' | 'final' | 'summing_view'
  readonly what: string
  readonly tables: readonly string[]
  readonly create: readonly string[]
  /** What is inserted into: the columns in the order of `row`, and their values from a row of the computed events. */
  readonly table: string
  readonly columns: readonly string[]
  row(event: PeerEvent): readonly (string | number)[]
  readonly computed: readonly string[]
  /** SQL after FROM: the peak and the sum of each project_id, usage_date and metric, for days of one project, of one partner or of all. */
  projectDays(where: Where): string
}

export interface Where {
  readonly first: string
  readonly end: string
  readonly project?: string
  readonly partner?: string
}

/** An acknowledged insert is durable, as Meterline's are. */
const DURABLE = 'fsync_after_insert = 1, fsync_part_directory = 1'
export const PROJECTS_TABLE = `CREATE TABLE IF NOT EXISTS peer_projects (project_id String, partner_id String) ENGINE = MergeTree ORDER BY project_id SETTINGS ${DURABLE}`
export const PROJECTS_ROWS = `INSERT INTO peer_projects SELECT concat('prj_', leftPad(toString(number), 5, '0')),
  concat('partner_', toString(if(number < ${PROJECTS_OF_FIRST}, 0, 1 + (number - ${PROJECTS_OF_FIRST}) % ${PARTNERS - 1}))) FROM numbers(${PROJECTS})`

/** The partner of a computed event. */
const PARTNER_ID = `concat('partner_', toString(if(toUInt32(substring(project_id, 5)) < ${PROJECTS_OF_FIRST}, 0, 1 + (toUInt32(substring(project_id, 5)) - ${PROJECTS_OF_FIRST}) % ${PARTNERS - 1})))`
const days = ({ first, end }: Where, column: string) => `${column} >= '${first}' AND ${column} < '${end}'`
const projects = ({ project, partner }: Where) =>
  [
    ...(project === undefined ? [] : [` AND project_id = '${project}'`]),
    ...(partner === undefined ? [] : [` AND project_id IN (SELECT project_id FROM peer_projects WHERE partner_id = '${partner}')`]),
  ].join('')

export const CLICKHOUSE_SHAPES: readonly ClickHouseShape[] = [
  {
    name: 'json_scan',
    what: 'JSON strings, scanned',
    tables: ['peer_json_events'],
    create: [
      `CREATE TABLE IF NOT EXISTS peer_json_events (time DateTime64(3, 'UTC'), project_id String, event String) ENGINE = MergeTree
       PARTITION BY toYYYYMM(time) ORDER BY (project_id, time) SETTINGS ${DURABLE}`,
    ],
    table: 'peer_json_events',
    columns: ['time', 'project_id', 'event'],
    row: (event) => [seconds(event), event.project_id, eventJson(event)],
    computed: [
      'timestamp',
      'project_id',
      `concat('{"event_id":"', event_id, '","project_id":"', project_id, '","metric":"', metric, '","value":"', toString(value), '","timestamp":"',
        replaceOne(toString(timestamp), ' ', 'T'), 'Z"}')`,
    ],
    projectDays: (where) => `(
      SELECT project_id, usage_date, metric, max(value) AS peak, sum(value) AS total
      FROM (
        SELECT project_id, toDate(time) AS usage_date, JSONExtractString(event, 'metric') AS metric, toDecimal128(JSONExtractString(event, 'value'), 9) AS value
        FROM peer_json_events WHERE ${days(where, 'time')}${projects(where)}
      )
      GROUP BY project_id, usage_date, metric)`,
  },
  {
    name: 'final',
    what: 'enriched events, FINAL',
    tables: ['peer_enriched_events'],
    create: [
      `CREATE TABLE IF NOT EXISTS peer_enriched_events (partner_id LowCardinality(String), project_id String, metric LowCardinality(String),
         timestamp DateTime64(3, 'UTC'), event_id String, value Decimal(38, 9), received_at DateTime64(3, 'UTC') DEFAULT now64(3))
       ENGINE = ReplacingMergeTree(received_at) PARTITION BY toYYYYMM(timestamp)
       ORDER BY (partner_id, project_id, metric, timestamp, event_id) SETTINGS ${DURABLE}`,
    ],
    table: 'peer_enriched_events',
    columns: ['partner_id', 'project_id', 'metric', 'timestamp', 'event_id', 'value'],
    row: (event) => [partnerIdOf(event), event.project_id, event.metric, seconds(event), event.event_id, valueText(event)],
    computed: [PARTNER_ID, 'project_id', 'metric', 'timestamp', 'event_id', 'value'],
    projectDays: (where) => `(
      SELECT project_id, toDate(timestamp) AS usage_date, metric, max(value) AS peak, sum(value) AS total
      FROM peer_enriched_events FINAL
      WHERE ${days(where, 'timestamp')}${where.partner === undefined ? '' : ` AND partner_id = '${where.partner}'`}${
        where.project === undefined ? '' : ` AND partner_id = 'partner_0' AND project_id = '${where.project}'`
      }
      GROUP BY project_id, usage_date, metric)`,
  },
  {
    name: 'summing_view',
    what: 'summing view, unprotected',
    tables: ['peer_plain_events', 'peer_rollup'],
    create: [
      `CREATE TABLE IF NOT EXISTS peer_plain_events (project_id String, event_id String, metric LowCardinality(String), timestamp DateTime64(3, 'UTC'), value Decimal(38, 9))
       ENGINE = MergeTree PARTITION BY toYYYYMM(timestamp) ORDER BY (project_id, timestamp) SETTINGS ${DURABLE}`,
      `CREATE TABLE IF NOT EXISTS peer_rollup (project_id String, usage_date Date, metric LowCardinality(String), peak SimpleAggregateFunction(max, Decimal(38, 9)),
         total SimpleAggregateFunction(sum, Decimal(38, 9)))
       ENGINE = AggregatingMergeTree PARTITION BY toYYYYMM(usage_date) ORDER BY (project_id, usage_date, metric) SETTINGS ${DURABLE}`,
      `CREATE MATERIALIZED VIEW IF NOT EXISTS peer_rollup_mv TO peer_rollup AS
       SELECT project_id, toDate(timestamp) AS usage_date, metric, max(value) AS peak, sum(value) AS total
       FROM peer_plain_events GROUP BY project_id, usage_date, metric`,
    ],
    table: 'peer_plain_events',
    columns: ['project_id', 'event_id', 'metric', 'timestamp', 'value'],
    row: (event) => [event.project_id, event.event_id, event.metric, seconds(event), valueText(event)],
    computed: ['project_id', 'event_id', 'metric', 'timestamp', 'value'],
    projectDays: (where) => `(
      SELECT project_id, usage_date, metric, max(peak) AS peak, sum(total) AS total FROM peer_rollup WHERE ${days(where, 'usage_date')}${projects(where)}
      GROUP BY project_id, usage_date, metric)`,
  },
]

/** SQL of a question. A partner's peak is summed over its projects per day first; the greatest day is taken then. */
export function questionSql({ projectDays }: Pick<ClickHouseShape, 'projectDays'>, question: Question): string {
  if (question === 'project_week') {
    return `SELECT 'partner_0' AS partner, metric, max(peak) AS peak, sum(total) AS total
      FROM ${projectDays({ ...WEEK, project: projectId(ASKED_PROJECT) })} GROUP BY metric`
  }
  const byPartner =
    question === 'partner_month'
      ? `SELECT 'partner_0' AS partner, usage_date, metric, sum(peak) AS peak, sum(total) AS total FROM ${projectDays({ ...MONTH, partner: 'partner_0' })} GROUP BY usage_date, metric`
      : `SELECT partner_id AS partner, usage_date, metric, sum(peak) AS peak, sum(total) AS total
         FROM ${projectDays(MONTH)} AS project_days INNER JOIN peer_projects USING project_id GROUP BY partner, usage_date, metric`
  return `SELECT partner, metric, max(peak) AS peak, sum(total) AS total FROM (${byPartner}) GROUP BY partner, metric`
}

function seconds({ timestampMs }: PeerEvent): string {
  return (timestampMs / 1000).toFixed(3)
}

function partnerIdOf({ project_id }: PeerEvent): string {
  return `partner_${partnerOf(Number(project_id.slice(4)))}`
}
