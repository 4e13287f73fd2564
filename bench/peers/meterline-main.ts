import { join } from 'node:path'
import { z } from 'zod'
import { CachedCompleteness } from '../../aggregator/usage/completeness.ts'
import { readPartnershipUsage } from '../../aggregator/usage/partnership-usage.ts'
import { readProjectUsage } from '../../aggregator/usage/project-usage.ts'
import { refreshPartnershipDays } from '../../aggregator/usage/refresh-partnership-days.ts'
import { SERVICE } from '../../registry/audit-log.ts'
import { createPartner } from '../../registry/create-partner.ts'
import { openRegistry } from '../../registry/open-registry.ts'
import { readConfig } from '../../service/config.ts'
import { loadInstanceSecrets } from '../../service/instance-secrets.ts'
import { openStore } from '../../service/open-store.ts'
import { registryOptionsOf } from '../../service/registry-options.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { openEmbeddedSession } from '../../sql/embedded-session.ts'
import { migrate } from '../../sql/migrate.ts'
import { defineQuery, renderQuery } from '../../sql/query.ts'
import { forkedTask, sendResult } from '../forked-task.ts'
import { type Answer, partnerKey, type Question } from './exact-answers.ts'
import type { IngestPlan } from './ingest-plan.ts'
import { type AskedQuestions, askQuestions } from './measure-questions.ts'
import { ASKED_PROJECT, eventsInClickHouse, MONTH, PARTNERS, PROJECTS, partnerOf, projectId, WEEK } from './peer-events.ts'

export interface SeededPeerPartner {
  readonly id: string
  readonly secret: string
}

export interface MeterlineTask {
  readonly dataDir: string
  readonly plan: IngestPlan
  /** Undefined: creates the partners and their projects. Otherwise computes the rest of the events, merges, and answers. */
  readonly partners?: readonly SeededPeerPartner[]
}

export interface MeterlineAsked {
  readonly questions: AskedQuestions
  readonly bytesOnDisk: number
  readonly rawBytesOnDisk: number
}

const FILL_EVENTS = 1_000_000
const SECONDS_MAX = 3_600

async function prepare(clickhouse: ClickHouse, dataDir: string): Promise<SeededPeerPartner[]> {
  await migrate(clickhouse)
  const config = readConfig({ DATA_DIR: dataDir })
  const registry = await openRegistry(registryOptionsOf(config, clickhouse, loadInstanceSecrets(config, { storeHoldsSealedData: false })))
  const partners: SeededPeerPartner[] = []
  for (let index = 0; index < PARTNERS; index += 1) {
    const { partner, secret } = await createPartner(registry, SERVICE, { name: partnerKey(index), mode: 'white-label' })
    partners.push({ id: partner.id, secret })
  }
  const owners = Array.from({ length: PROJECTS }, (_, project) => `('${projectId(project)}', '${partners[partnerOf(project)]?.id}')`)
  await clickhouse.control.command(
    `INSERT INTO projects_v1 (project_id, revision, partner_id, name, status, region, instance_type, created_at)
     SELECT owner.1, 1, owner.2, owner.1, 'active', 'us-east', 'nano', now64(3) FROM (SELECT arrayJoin([${owners.join(', ')}]) AS owner)`,
  )
  return partners
}

async function answer(clickhouse: ClickHouse, { dataDir, plan, partners }: Required<MeterlineTask>): Promise<MeterlineAsked> {
  await fill(clickhouse, plan, { first: plan.sent, end: plan.merged })
  for (const table of STORED) await clickhouse.work.command(`OPTIMIZE TABLE ${table} FINAL`, SECONDS_MAX)
  const disk = await clickhouse.reads.query(bytesOfTables, {})
  await fill(clickhouse, plan, { first: plan.merged, end: plan.events })
  await refreshPartnershipDays(clickhouse)
  const counted = await countBytes(dataDir)
  const completeness = new CachedCompleteness(clickhouse)
  const questions = await askQuestions({
    ask: async (question) => answerFrom(clickhouse, partners, question, completeness),
    bytesRead: async (question) => {
      counted.bytes = 0
      await answerFrom({ ...clickhouse, reads: counted.reads }, partners, question, completeness)
      return counted.bytes
    },
  })
  await counted.close()
  const bytesOf = (tables: readonly string[]) => disk.filter(({ table }) => tables.includes(table)).reduce((sum, { bytes }) => sum + bytes, 0)
  return { questions, bytesOnDisk: bytesOf(STORED), rawBytesOnDisk: bytesOf(['raw_usage_events_v1']) }
}

/** What grows with the events. */
const STORED = ['raw_usage_events_v1', 'project_usage_per_day_v1', 'identity_hashes_v1', 'usage_day_changes_v1']

async function fill({ work }: ClickHouse, { events }: IngestPlan, { first, end }: { first: number; end: number }): Promise<void> {
  for (let from = first; from < end; from += FILL_EVENTS) {
    await work.command(
      `INSERT INTO raw_usage_events_v1 (project_id, event_id, usage_date, metric, timestamp, value, log, rank, received_at)
       SELECT project_id, event_id, usage_date, metric, timestamp, value, 'computed', bitNot(toUInt64(number)), timestamp
       FROM ${eventsInClickHouse(from, Math.min(from + FILL_EVENTS, end), events)}
       SETTINGS max_execution_time = 0, max_partitions_per_insert_block = 0, deduplicate_insert = 'disable', wait_for_part_commit_in_dependent_materialized_views = 1`,
      SECONDS_MAX,
    )
  }
}

/** The answers of Meterline's own query code. */
async function answerFrom(
  clickhouse: ClickHouse,
  partners: readonly SeededPeerPartner[],
  question: Question,
  completeness: CachedCompleteness,
): Promise<Answer> {
  const known = await completeness.read()
  if (question === 'project_week') {
    const { summary } = await readProjectUsage(clickhouse, projectId(ASKED_PROJECT), WEEK, known)
    return new Map([[partnerKey(0), summary]])
  }
  const asked = question === 'partner_month' ? partners.slice(0, 1) : partners
  const answers = await Promise.all(asked.map(({ id }) => readPartnershipUsage(clickhouse, id, MONTH, known)))
  return new Map(answers.map(({ summary }, partner) => [partnerKey(partner), summary]))
}

/** The same statements through a session that reports what each has read. */
async function countBytes(dataDir: string): Promise<{ bytes: number; reads: ClickHouse['reads']; close: () => Promise<void> }> {
  const session = await openEmbeddedSession(join(dataDir, 'clickhouse'))
  const query: ClickHouse['reads']['query'] = async (asked, params) => {
    const { data, statistics } = JSON.parse(await session.run(`${renderQuery(asked, params)} FORMAT JSON`, SECONDS_MAX * 1000)) as {
      data: unknown[]
      statistics: { bytes_read: number }
    }
    counted.bytes += statistics.bytes_read
    return data.map((row) => asked.row.parse(row))
  }
  const onlyQueries = () => {
    throw new Error('An answer only reads.')
  }
  const counted = {
    bytes: 0,
    reads: { query, lines: onlyQueries, bytes: onlyQueries, execute: onlyQueries, insert: onlyQueries, command: onlyQueries },
    close: () => session.close(),
  }
  return counted
}

const bytesOfTables = defineQuery({
  name: 'bench_peers_table_bytes',
  sql: 'SELECT table, sum(bytes_on_disk) AS bytes FROM system.parts WHERE active AND database = currentDatabase() GROUP BY table',
  params: z.object({}),
  row: z.object({ table: z.string(), bytes: z.coerce.number() }),
})

/** Run as a process by meterline-shape.ts, because a process can open only one directory. */
if (process.send !== undefined) {
  const { dataDir, plan, partners } = forkedTask<MeterlineTask>()
  const clickhouse = await openStore(readConfig({ DATA_DIR: dataDir }), { logger: { warn: (details, message) => console.error(message, details) } })
  const result = partners === undefined ? await prepare(clickhouse, dataDir) : await answer(clickhouse, { dataDir, plan, partners })
  await clickhouse.close()
  sendResult(result)
}
