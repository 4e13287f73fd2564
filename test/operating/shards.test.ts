import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { readConfig } from '../../service/config.ts'
import { ON_ONE_SHARD } from '../../sql/coordinating-database.ts'
import { MeterlineClient } from '../support/clients/client.ts'
import { type ClickHouseCluster, startClickHouseCluster } from '../support/engines/clickhouse-cluster.ts'
import { DATABASE_USERS } from '../support/engines/clickhouse-server.ts'
import { HAS_KAFKA, kafkaForTests, type TestKafka } from '../support/engines/kafka-broker.ts'
import { runMeterline, type ServiceProcess, startServiceProcess } from '../support/engines/service-process.ts'
import { makeEvent } from '../support/kafka/kafka-service.ts'
import { ROOT } from '../support/source-files.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'
import { type ComposeService, interpolate, problemsOfCompose, readComposeFile } from '../support/tools/compose-file.ts'
import { readManifests, unknownFieldsOf, validateManifest } from '../support/tools/kubernetes-manifests.ts'
import { untilSo } from '../support/until-so.ts'
import { OF_OPERATORS, untilComplete } from '../support/worlds/two-stores.ts'

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')
const LIST = read('docs/operating/clickhouse-shards.xml')
const USERS = read('docs/operating/clickhouse-users.xml')
const USERS_OF_SHARDS = read('docs/operating/clickhouse-users-shards.xml')
const hostsOf = (xml: string) => [...xml.matchAll(/<shard><replica><host>(.*?)<\/host><port>9000<\/port><\/replica><\/shard>/g)].map(([, host]) => host)
const PARTS = ['migrate', 'ingest', 'aggregate', 'api'] as const

describe('docker-compose.shards.yml', () => {
  const { document, services } = readComposeFile('docker-compose.shards.yml')
  const { document: base, services: baseServices } = readComposeFile('docker-compose.yml')

  test('follows the schema of the Compose Specification, as it is and merged into docker-compose.yml', () => {
    expect([problemsOfCompose(document), problemsOfCompose(mergeCompose(base, document))]).toEqual([null, null])
  })

  test('has a second server like the first one, and changes no other service than the parts of Meterline', () => {
    expect(Object.keys(services)).toEqual(['clickhouse', 'clickhouse-2', ...PARTS])
    const first = z.looseObject({ services: z.record(z.string(), z.unknown()) }).parse(mergeCompose(base, document)).services['clickhouse']
    const asFirst = JSON.parse(JSON.stringify(services['clickhouse-2']).replace('clickhouse-2-data:', 'clickhouse-data:'))
    const sorted = (service: unknown) => ({ ...(service as ComposeService), volumes: (service as ComposeService).volumes?.toSorted() })
    expect(sorted(asFirst)).toEqual(sorted(first))
    for (const part of PARTS) expect(Object.keys(services[part] ?? {}).sort()).toEqual(['depends_on', 'environment'])
  })

  test('gives each part a valid configuration: its own user on both servers, in the order of remote_servers, and it waits for both', () => {
    const directory = makeTemporaryDirectory()
    execFileSync(process.execPath, [join(ROOT, 'docs/operating/make-secrets.mjs'), directory.path], { env: { PATH: process.env['PATH'] ?? '' } })
    for (const part of PARTS) {
      const environment = Object.entries({ ...baseServices[part]?.environment, ...services[part]?.environment })
      const here = environment.map(([name, value]) => [name, interpolate(String(value), {}).replace('/run/secrets/meterline', join(directory.path, part))])
      const config = readConfig(Object.fromEntries(here), part)
      const urls = (config.CLICKHOUSE_URLS ?? []).map((url) => new URL(url))
      expect(urls.map(({ hostname }) => hostname)).toEqual(hostsOf(LIST))
      expect(urls.map(({ username, port, pathname }) => [username, port, pathname])).toEqual(urls.map(() => [DATABASE_USERS[part], '8123', '/meterline']))
      expect([config.CLICKHOUSE_CLUSTER, config.KAFKA_PARTITIONS % urls.length]).toEqual(['meterline', 0])
      expect(services[part]?.depends_on).toEqual({ 'clickhouse-2': { condition: 'service_healthy' } })
    }
    expect(readFileSync(join(directory.path, 'clickhouse', 'clickhouse.xml'), 'utf8')).toMatch(/<meterline_shards>[0-9a-f]{48}<\/meterline_shards>/)
    directory.remove()
  })
})

describe('docs/operating/clickhouse-users-shards.xml', () => {
  test('has every grant on a table of the coordinating database that the users have on the table itself, and no other', () => {
    for (const user of Object.values(DATABASE_USERS)) {
      const grantsOf = (xml: string) => {
        const [, block = ''] = new RegExp(`<${user}>(.*?)</${user}>`, 's').exec(xml) ?? []
        return [...block.matchAll(/<query[^>]*>GRANT (.+?) ON (meterline(?:_all)?)\.(\S+)<\/query>/g)].map(([, rights, , table]) => `${rights} ON ${table}`)
      }
      const expected = grantsOf(USERS).filter((grant) => !ON_ONE_SHARD.some((table) => grant.endsWith(` ${table}`)))
      expect(grantsOf(USERS_OF_SHARDS)).toEqual(expected)
      expect(expected.length).toBeGreaterThan(0)
    }
  })
})

describe('the manifests of docs/operating/kubernetes-shards', () => {
  const manifests = readManifests('docs/operating/kubernetes-shards')
  const dataOf = () => z.object({ data: z.record(z.string(), z.string()) }).parse(manifests.find(({ kind }) => kind === 'ConfigMap')).data

  test.each(manifests.map((manifest) => [`${manifest.kind} ${manifest.metadata.name}`, manifest] as const))(
    '%s follows the schema of its kind',
    (_, manifest) => {
      expect(() => validateManifest(manifest)).not.toThrow()
    },
  )

  test('every field is one that Kubernetes knows', () => {
    expect(unknownFieldsOf(manifests)).toEqual([])
  })

  test('the servers of the list are the Pods, in their order, and the page creates a Secret with the same ones', () => {
    const stateful = z.looseObject({ metadata: z.object({ name: z.string() }), spec: z.looseObject({ replicas: z.number(), serviceName: z.string() }) })
    const { metadata, spec } = stateful.parse(manifests.find(({ kind }) => kind === 'StatefulSet'))
    const pods = Array.from({ length: spec.replicas }, (_, index) => `${metadata.name}-${index}.${spec.serviceName}`)
    expect(hostsOf(dataOf()['shards.xml'] ?? '')).toEqual(pods)
    const [, urls = ''] = /--from-literal=CLICKHOUSE_URLS="(.*?)"/.exec(read('docs/operating/cluster.md').replaceAll(/\\\n\s*/g, '')) ?? []
    const config = readConfig({ ...OF_OPERATORS, KAFKA_BROKERS: 'kafka:9092', CLICKHOUSE_URLS: urls.replaceAll('$PASSWORD', 'p') })
    const processes = readManifests('docs/operating/kubernetes').find(({ kind }) => kind === 'ConfigMap')
    const { data } = z.object({ data: z.looseObject({ KAFKA_PARTITIONS: z.coerce.number() }) }).parse(processes)
    expect(data.KAFKA_PARTITIONS % pods.length).toBe(0)
    expect(config.CLICKHOUSE_URLS?.map((url) => [new URL(url).hostname, new URL(url).username])).toEqual(pods.map((pod) => [pod, 'meterline_all_parts']))
  })
})

/** The documented files in ClickHouse's own servers. Only the addresses and the path of the passwords differ. */
describe.skipIf(!HAS_KAFKA)('two servers with the documented list and users', () => {
  let kafka: TestKafka
  let cluster: ClickHouseCluster
  let environment: Record<string, string>
  const running: ServiceProcess[] = []
  const urlsOf = (user: string) => cluster.urls.map((url) => url.replace('http://', `http://${user}:${user}@`)).join(',')
  const asUser = (user: string) => ({ ...environment, CLICKHOUSE_URLS: urlsOf(user) })
  const start = async (verb: 'start' | 'ingest' | 'aggregate' | 'api', user: string) => {
    const started = await startServiceProcess(asUser(user), verb)
    running.push(started)
    return started
  }
  const stopAll = async () => {
    for (const each of running.splice(0).reverse()) await each.stop()
  }

  beforeAll(async () => {
    kafka = (await kafkaForTests()) as TestKafka
    const ofKubernetes = readManifests('docs/operating/kubernetes-shards').find(({ kind }) => kind === 'ConfigMap')
    const { data } = z.object({ data: z.record(z.string(), z.string()) }).parse(ofKubernetes)
    const filesOf = (natives: readonly number[]) => ({
      'shards.xml': hostsOf(LIST).reduce<string>(
        (xml, host, index) => xml.replace(`<host>${host}</host><port>9000</port>`, `<host>127.0.0.1</host><port>${natives[index]}</port>`),
        LIST,
      ),
      'users-shards.xml': USERS_OF_SHARDS,
      'users-kubernetes.xml': data['users.xml'] ?? '',
    })
    cluster = await startClickHouseCluster(2, { filesOf })
    environment = { ...OF_OPERATORS, KAFKA_BROKERS: kafka.brokers, KAFKA_TOPIC: 'of-users', CLOSE_GRACE_HOURS: '1000000' }
  }, 240_000)
  afterAll(async () => {
    await stopAll()
    await cluster?.stop()
    await kafka?.stop()
  })

  test('P2 P3 P4: each part counts, answers and closes as its own user, and none reads more than on one server', async () => {
    expect(await runMeterline(['migrate'], asUser(DATABASE_USERS.migrate))).toMatchObject({ code: 0 })
    const parts = [await start('ingest', DATABASE_USERS.ingest), await start('aggregate', DATABASE_USERS.aggregate), await start('api', DATABASE_USERS.api)]
    for (const { url } of parts) await untilSo(async () => (await fetch(`${url}/readyz`)).status === 200)
    const client = new MeterlineClient(parts[2]?.url ?? '', OF_OPERATORS.ADMIN_TOKEN)
    await client.createIngestKey()
    const partner = await client.createPartner('of users')
    const projects = Array.from({ length: 8 }, (_, index) => `user-${index}`)
    for (const project of projects) await client.registerProject(project, partner.partnerId)
    expect((await client.send(projects.flatMap((project) => [makeEvent(project, 'a', '1'), makeEvent(project, 'b', '10')]))).status).toBe(202)
    await untilComplete(client, partner)
    const usage = async () => (await client.partnershipUsage(partner, '2026-01-01', '2026-01-31')).body.summary.ai_tokens
    expect(await usage()).toBe('88')
    // `aggregate` materializes the days.
    await untilSo(async () => /^meterline_audit_complete_seconds \d/m.test(await (await fetch(`${parts[1]?.url}/metrics`)).text()))
    expect(await usage()).toBe('88')
    expect((await client.billFrom(partner.partnerId, '2026-01')).status).toBe(200)
    await untilSo(async () => (await client.closeMonth(partner.partnerId, '2026-01')).status < 300)
    expect((await client.audit()).body.differences).toEqual([])

    // Through the coordinating database no part reads what it may not read in the database of the tables.
    for (const name of ['meterline', 'meterline_all']) expect(await readAs(DATABASE_USERS.ingest, `${name}.partner_secrets_v1`)).toMatch(/ACCESS_DENIED/)
    expect(await readAs(DATABASE_USERS.ingest, 'meterline_all.raw_usage_events_v1')).toBe('16\n')
    await stopAll()
    const move = await runMeterline(['shard', 'move', '0', '--to', '2'], asUser(DATABASE_USERS.migrate))
    expect([move.code, move.stderr]).toEqual([0, expect.stringContaining('all copies are equal to their originals')])
    expect((await runMeterline(['shard', 'list'], asUser(DATABASE_USERS.migrate))).stdout).toMatch(/2 +│ 127.0.0.1:\d+ +│ 0, 1/)

    const one = await start('start', 'meterline_all_parts')
    const again = new MeterlineClient(one.url, OF_OPERATORS.ADMIN_TOKEN)
    await untilSo(async () => (await fetch(`${one.url}/readyz`)).status === 200)
    expect((await again.partnershipUsage(partner, '2026-01-01', '2026-01-31')).body.summary.ai_tokens).toBe('88')
    expect((await again.statement(partner, '2026-01')).body.statement.status).toBe('closed')
  }, 360_000)

  const readAs = async (user: string, table: string) => {
    const url = new URL(cluster.urls[0] ?? '')
    const answer = await fetch(`${url.origin}/?user=${user}&password=${user}`, { method: 'POST', body: `SELECT count() FROM ${table}` })
    return answer.text()
  }
})

/** As Compose merges a second file: mappings by their keys, lists of volumes by their targets. */
function mergeCompose(base: unknown, changed: unknown): unknown {
  if (Array.isArray(base) && Array.isArray(changed)) return [...base, ...changed]
  if (!isMapping(base) || !isMapping(changed)) return changed
  const keys = [...new Set([...Object.keys(base), ...Object.keys(changed)])]
  return Object.fromEntries(keys.map((key) => [key, !(key in changed) ? base[key] : !(key in base) ? changed[key] : mergeCompose(base[key], changed[key])]))
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
