import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { SERVER_LIMITS } from '../../api/server.ts'
import { ConfigSchema, readConfig } from '../../service/config.ts'
import { SECRET_VARIABLES } from '../../service/secret-files.ts'
import { ROOT } from '../support/source-files.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'
import { type ComposeService, interpolate, problemsOfCompose, readComposeFile } from '../support/tools/compose-file.ts'

const { document, services } = readComposeFile('docker-compose.yml')
const ours = Object.entries(services).filter(([name, { image }]) => image === 'meterline' && name !== 'secrets')

/** This file starts one ClickHouse server. */
const OF_SHARDS = ['CLICKHOUSE_URLS', 'CLICKHOUSE_CLUSTER']

/** Set by the file itself, because its other services depend on them. */
const FIXED = ['HOST', 'PORT', 'DATA_DIR', 'CLICKHOUSE_URL', 'KAFKA_BROKERS', 'METRICS_HOST', 'METRICS_PORT']
const ALWAYS = ['CLICKHOUSE_PASSWORD_FILE', 'ADMIN_TOKEN_FILE', 'MASTER_KEY_FILE']

/** Which process gets which secret: the table in docs/security.md. */
const SECRETS_OF: Readonly<Record<string, readonly string[]>> = {
  migrate: ['CLICKHOUSE_PASSWORD', 'OTEL_EXPORTER_OTLP_HEADERS'],
  ingest: ['CLICKHOUSE_PASSWORD', 'KAFKA_PASSWORD', 'OTEL_EXPORTER_OTLP_HEADERS'],
  aggregate: ['CLICKHOUSE_PASSWORD', 'MASTER_KEY', 'MASTER_KEY_PREVIOUS', 'OTEL_EXPORTER_OTLP_HEADERS'],
  api: SECRET_VARIABLES,
}

test('docker-compose.yml follows the schema of the Compose Specification', () => {
  expect(problemsOfCompose(document)).toBeNull()
  expect(problemsOfCompose({ services: { api: { image: 'meterline', read_onlyy: true } } })).not.toBeNull()
})

describe('the processes of Meterline in docker-compose.yml', () => {
  test('there is one of each part, and one migrates', () => {
    expect(ours.map(([name, { command }]) => [name, command])).toEqual(['migrate', 'ingest', 'aggregate', 'api'].map((name) => [name, [name]]))
  })

  test('one service builds the image, and the others use it', () => {
    expect(ours.filter(([, { build }]) => build !== undefined).map(([name]) => name)).toEqual(['migrate'])
  })

  test('every variable of the configuration is passed through, or fixed, and no other is set; secrets are files', () => {
    for (const [name, { environment = {} }] of ours) {
      const plain = Object.keys(ConfigSchema.shape).filter((each) => ![...SECRET_VARIABLES, ...OF_SHARDS].some((other) => other === each))
      const files = (SECRETS_OF[name] ?? []).map((secret) => `${secret}_FILE`)
      // Only processes with an API have tokens to issue, and only those that send messages have links to write.
      expect(Object.keys(environment).sort()).toEqual(
        [...plain, ...files].filter((each) => each !== 'PUBLIC_URL' || ['api', 'aggregate'].includes(name)).sort(),
      )
      const ignored = Object.entries(environment).filter(
        ([each, value]) => ![...FIXED, ...ALWAYS].includes(each) && !String(value).startsWith(`\${${each.replace(/_FILE$/, '')}:`),
      )
      expect(ignored, 'variables that .env cannot set').toEqual([])
    }
  })

  test('each connects as its own database user, which the mounted file of users defines', () => {
    const users = readFileSync(join(ROOT, 'docs/operating/clickhouse-users.xml'), 'utf8')
    const connected = ours.map(([, { environment = {} }]) => new URL(String(environment['CLICKHOUSE_URL'])))
    expect(connected.map(({ username }) => username)).toEqual(['meterline', 'meterline_ingest', 'meterline_aggregate', 'meterline_api'])
    for (const { username, password, pathname } of connected) {
      expect([password, pathname]).toEqual(['', '/meterline'])
      expect(users).toContain(`<password_sha256_hex incl="${username}"/>`)
    }
    expect(services['clickhouse']?.volumes).toContain('./docs/operating/clickhouse-users.xml:/etc/clickhouse-server/users.d/meterline.xml:ro')
    expect(users).toContain('<include_from>/run/secrets/meterline/clickhouse.xml</include_from>')
  })

  test('the time to stop is longer than the drain and the longest request together', () => {
    for (const [, { stop_grace_period: grace = '' }] of ours)
      expect(Number(/^(\d+)s$/.exec(grace)?.[1]) * 1000).toBeGreaterThan(SERVER_LIMITS.requestTimeout + readConfig({}).DRAIN_MS)
  })

  test('their file systems are only read, except for /tmp and DATA_DIR in memory, and the exports of aggregate', () => {
    for (const [name, { read_only, tmpfs = [], volumes = [], environment = {} }] of ours)
      expect([read_only, tmpfs.map((each) => each.split(':')[0]), volumes.filter((each) => !each.endsWith(':ro'))]).toEqual([
        true,
        ['/tmp', environment['DATA_DIR']],
        name === 'aggregate' ? ['exports:/exports'] : [],
      ])
  })

  test('aggregate has what automation needs: the master key, links to the service, and a directory that the image gives to its user', () => {
    const [, aggregate] = ours.find(([name]) => name === 'aggregate') ?? []
    const api = ours.find(([name]) => name === 'api')?.[1]
    for (const name of ['MASTER_KEY_FILE', 'MASTER_KEY_PREVIOUS_FILE', 'PUBLIC_URL', 'EXPORT_DIR', 'OUTGOING_ALLOW', 'SCHEDULE_LOG_DAYS', 'CURRENCY'])
      expect([name, aggregate?.environment?.[name]]).toEqual([name, api?.environment?.[name] ?? 'missing'])
    expect(interpolate(String(aggregate?.environment?.['EXPORT_DIR']), {})).toBe('/exports')
    // A new volume gets the owner and the mode of the directory of the image.
    expect(readFileSync(join(ROOT, 'Dockerfile'), 'utf8')).toMatch(/^RUN install -d -o 1000 -g 1000 -m 0700 .*\/exports$/m)
  })
})

describe('the secrets of docker-compose.yml', () => {
  const directory = makeTemporaryDirectory()
  afterAll(() => directory.remove())
  const make = (environment: Record<string, string> = {}) =>
    execFileSync(process.execPath, [join(ROOT, 'docs/operating/make-secrets.mjs'), directory.path], {
      env: { PATH: process.env['PATH'] ?? '', ...environment },
    })
  const read = (path: string) => readFileSync(join(directory.path, path), 'utf8')
  /** The configuration of a process, with its volume where the test can read it. */
  const configOf = (name: string, given: Record<string, string> = {}) => {
    const [, { environment = {}, command = [], volumes = [] }] = ours.find(([each]) => each === name) ?? ['', services[name] ?? ({} as ComposeService)]
    expect(volumes).toContain(`secrets-${name}:/run/secrets/meterline:ro`)
    const interpolated = Object.entries(environment).map(([each, value]) => [each, interpolate(String(value), given)] as const)
    const here = interpolated.map(([each, value]) => [each, value.replace('/run/secrets/meterline', join(directory.path, name))])
    return readConfig(Object.fromEntries(here), ConfiguredPart.parse(command[0]))
  }

  test('a first start without .env creates them, and what each process reads is a valid configuration', () => {
    make()
    for (const [name] of ours) {
      const config = configOf(name)
      expect(config).toMatchObject({ HOST: '0.0.0.0', KAFKA_PARTITIONS: 4 })
      const hash = createHash('sha256')
        .update(config.CLICKHOUSE_PASSWORD ?? '')
        .digest('hex')
      expect(read(join('clickhouse', 'clickhouse.xml'))).toContain(`<${new URL(config.CLICKHOUSE_URL ?? '').username}>${hash}</`)
    }
    expect(configOf('api')).toMatchObject({ ADMIN_TOKEN: expect.any(String), MASTER_KEY: expect.any(String) })
  })

  test('no process gets the secret of another one, and no other user can read a file', () => {
    expect(readdirSync(directory.path).sort()).toEqual(['aggregate', 'api', 'clickhouse', 'ingest', 'migrate', 'store'])
    for (const part of ['migrate', 'ingest']) expect(readdirSync(join(directory.path, part))).toEqual(['clickhouse-password'])
    expect(readdirSync(join(directory.path, 'aggregate')).sort()).toEqual(['clickhouse-password', 'master-key'])
    expect(readdirSync(join(directory.path, 'api')).sort()).toEqual(['admin-token', 'clickhouse-password', 'master-key'])
    expect(new Set(['migrate', 'ingest', 'aggregate', 'api'].map((part) => read(`${part}/clickhouse-password`))).size).toBe(4)
    const files = readdirSync(directory.path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    expect(files).toHaveLength(15)
    for (const { parentPath, name } of files) expect([name, statSync(join(parentPath, name)).mode & 0o777]).toEqual([name, 0o400])
  })

  test('another start changes nothing; what .env sets is used, and optional secrets end with their variable', () => {
    const whole = () =>
      readdirSync(directory.path, { recursive: true, encoding: 'utf8' })
        .filter((path) => path.includes('/'))
        .map((path) => [path, read(path)])
    const before = whole()
    make()
    expect(whole()).toEqual(before)
    // As in the exchange of a master key (docs/operating/keys.md).
    const MASTER_KEY = createHash('sha256').update('the next key').digest('base64')
    const given = { ADMIN_TOKEN: 'token-of-an-earlier-version-0123456789', MASTER_KEY, MASTER_KEY_PREVIOUS: configOf('api').MASTER_KEY ?? '' }
    make(given)
    expect(configOf('api', given)).toMatchObject(given)
    make()
    expect(configOf('api')).toMatchObject({ ADMIN_TOKEN: given.ADMIN_TOKEN, MASTER_KEY })
    expect(configOf('api').MASTER_KEY_PREVIOUS).toBeUndefined()
    expect(readdirSync(join(directory.path, 'api'))).not.toContain('master-key-previous')
  })

  test('no service that runs on has a secret in its environment, and every other service waits until they are written', () => {
    for (const [name, { environment = {} }] of Object.entries(services).filter(([each]) => each !== 'secrets'))
      expect([name, SECRET_VARIABLES.filter((secret) => secret in environment)]).toEqual([name, []])
    const waiting = Object.entries(services).filter(([, { depends_on }]) => JSON.stringify(depends_on ?? {}).includes('"secrets"'))
    expect(waiting.map(([name]) => name)).toEqual(['clickhouse'])
    for (const [, { depends_on }] of ours) expect(depends_on).toMatchObject({ clickhouse: { condition: 'service_healthy' } })
  })
})

const ConfiguredPart = z.enum(['migrate', 'ingest', 'aggregate', 'api'])

test('every container has a memory limit, and rotates its log', () => {
  expect(Object.entries(services).filter(([, { mem_limit, logging }]) => mem_limit === undefined || logging === undefined)).toEqual([])
})
