import { randomBytes } from 'node:crypto'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { connect } from '../../cli/connection/connect.ts'
import { mayCall } from '../../outgoing/public-address.ts'
import { type ConfiguredProcess, misspeltVariables, readConfig } from '../../service/config.ts'
import { SECRET_VARIABLES } from '../../service/secret-files.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'

const SECRET = `whsec_${randomBytes(32).toString('base64')}`
const WEBHOOK = { PROVISIONER: 'webhook', PROVISIONER_URL: 'https://platform.example/hook', PROVISIONER_SECRET: SECRET }

describe('the configuration of the provisioner', () => {
  test('by default there is no provisioner, and no private network may be called', () => {
    const config = readConfig({})
    expect(config).toMatchObject({ PROVISIONER: 'none' })
    expect([config.PROVISIONER_URL, config.PROVISIONER_SECRET]).toEqual([undefined, undefined])
    expect(mayCall('10.0.0.1', config.OUTGOING_ALLOW)).toBe(false)
  })

  test('PROVISIONER=webhook accepts a URL and one or more secrets', () => {
    const config = readConfig({ ...WEBHOOK, PROVISIONER_SECRET: `${SECRET},${SECRET}` })
    expect(config.PROVISIONER_URL?.href).toBe('https://platform.example/hook')
    expect(config.PROVISIONER_SECRET?.map((key) => key.length)).toEqual([32, 32])
  })

  test('PROVISIONER=webhook requires a URL and a secret, and without it neither is allowed', () => {
    expect(errorsOf({ PROVISIONER: 'webhook' })).toEqual([
      'PROVISIONER_URL: is required when PROVISIONER is webhook',
      'PROVISIONER_SECRET: is required when PROVISIONER is webhook',
    ])
    expect(errorsOf({ ...WEBHOOK, PROVISIONER: 'none' })).toEqual([
      'PROVISIONER_URL: is only allowed with PROVISIONER=webhook',
      'PROVISIONER_SECRET: is only allowed with PROVISIONER=webhook',
    ])
  })

  test('all errors of the configuration are reported together, without any secret', () => {
    const url = 'https://user:hunter2@platform.example/'
    const errors = errorsOf({ PROVISIONER: 'email', PROVISIONER_URL: url, PROVISIONER_SECRET: `${SECRET}x`, OUTGOING_ALLOW: '10.0.0.0' })
    expect(errors.map((error) => error.split(':')[0])).toEqual(['PROVISIONER', 'PROVISIONER_URL', 'PROVISIONER_SECRET', 'OUTGOING_ALLOW'])
    expect(errors.join()).not.toContain(SECRET)
    expect(errors.join()).not.toContain('hunter2')
  })

  test('missing variables are reported beside invalid ones', () => {
    expect(
      errorsOf({ PROVISIONER: 'webhook', PROVISIONER_SECRET: 'abc', CLICKHOUSE_URL: 'http://store:8123', PORT: 'x' }).map((each) => each.split(':')[0]),
    ).toEqual([...['PORT', 'PROVISIONER_SECRET', 'PROVISIONER_URL', 'ADMIN_TOKEN', 'MASTER_KEY']])
  })

  test('a private address in PROVISIONER_URL is rejected unless OUTGOING_ALLOW contains its network', () => {
    const onLoopback = { ...WEBHOOK, PROVISIONER_URL: 'http://0x7f.1:9000/hook' }
    expect(errorsOf(onLoopback)).toEqual(['PROVISIONER_URL: is an address that is not public; add its network to OUTGOING_ALLOW'])
    expect(readConfig({ ...onLoopback, OUTGOING_ALLOW: '127.0.0.0/8, fd00::/8' }).PROVISIONER_URL?.hostname).toBe('127.0.0.1')
  })
})

test('MASTER_KEY and MASTER_KEY_PREVIOUS must differ', () => {
  const key = randomBytes(32).toString('base64')
  expect(errorsOf({ MASTER_KEY: key, MASTER_KEY_PREVIOUS: key })).toEqual([expect.stringContaining('MASTER_KEY_PREVIOUS: is the same as MASTER_KEY')])
})

describe('secrets in files', () => {
  const directory = makeTemporaryDirectory()
  afterAll(() => directory.remove())
  const writeSecret = (name: string, text: string, mode = 0o600) => {
    const path = join(directory.path, name)
    writeFileSync(path, text)
    chmodSync(path, mode)
    return path
  }
  const SECRETS: Record<(typeof SECRET_VARIABLES)[number], string> = {
    ADMIN_TOKEN: randomBytes(32).toString('hex'),
    MASTER_KEY: randomBytes(32).toString('base64'),
    MASTER_KEY_PREVIOUS: randomBytes(32).toString('base64'),
    CLICKHOUSE_PASSWORD: 'p%40ss/word',
    KAFKA_PASSWORD: 'kafka',
    PROVISIONER_SECRET: SECRET,
    OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20c',
  }
  const OTHERS = {
    ...{ CLICKHOUSE_URL: 'http://meterline@store:8123/meterline', KAFKA_SASL_MECHANISM: 'plain', KAFKA_USERNAME: 'u' },
    ...{ PROVISIONER: 'webhook', PROVISIONER_URL: 'https://platform.example/hook' },
  }

  test('every secret can be in a file, with a line break at its end', () => {
    const files = SECRET_VARIABLES.map((name) => [`${name}_FILE`, writeSecret(name, `${SECRETS[name]}\n`)])
    expect(readConfig({ ...OTHERS, ...Object.fromEntries(files) })).toEqual(readConfig({ ...OTHERS, ...SECRETS }))
    const token = { METERLINE_ACCESS_TOKEN_FILE: writeSecret('token', 'secret-token\n') }
    expect(connect({ environment: token }, ['admin']).headers).toEqual({ authorization: 'Bearer secret-token' })
  })

  test('a secret and its file together, a missing file, and an empty one are errors that name the variable', () => {
    const path = writeSecret('both', SECRETS.ADMIN_TOKEN)
    expect(errorsOf({ ADMIN_TOKEN: SECRETS.ADMIN_TOKEN, ADMIN_TOKEN_FILE: path })).toEqual(['ADMIN_TOKEN_FILE: is set beside ADMIN_TOKEN; set one of them'])
    expect(errorsOf({ CLICKHOUSE_URL: 'http://store:8123', ADMIN_TOKEN_FILE: '/nowhere', MASTER_KEY_FILE: writeSecret('empty', ' \n') })).toEqual([
      'ADMIN_TOKEN_FILE: /nowhere cannot be read (ENOENT)',
      expect.stringMatching(/^MASTER_KEY_FILE: .*empty is empty$/),
    ])
    expect(() => connect({ environment: { METERLINE_ACCESS_TOKEN: 'a', METERLINE_ACCESS_TOKEN_FILE: path } }, ['admin'])).toThrow(
      'METERLINE_ACCESS_TOKEN_FILE: is set beside',
    )
  })

  test.each([0o644, 0o640, 0o604, 0o622])('a file of this user that others can read or change is refused: mode %o', (mode) => {
    const path = writeSecret('open', SECRETS.ADMIN_TOKEN, mode)
    expect(errorsOf({ ADMIN_TOKEN_FILE: path })).toEqual([
      `ADMIN_TOKEN_FILE: ${path} has mode 0${mode.toString(8)}, so that others can read or change it; run "chmod 600 ${path}", then start again`,
    ])
  })
})

describe('each process requires only what it uses', () => {
  const SHARED = { CLICKHOUSE_URL: 'http://store:8123', KAFKA_SASL_MECHANISM: 'plain', PROVISIONER: 'webhook' }
  test.each([
    ['all', ['KAFKA_USERNAME', 'KAFKA_PASSWORD', 'PROVISIONER_URL', 'PROVISIONER_SECRET', 'ADMIN_TOKEN', 'MASTER_KEY']],
    ['api', ['KAFKA_USERNAME', 'KAFKA_PASSWORD', 'PROVISIONER_URL', 'PROVISIONER_SECRET', 'ADMIN_TOKEN', 'MASTER_KEY']],
    ['ingest', ['KAFKA_USERNAME', 'KAFKA_PASSWORD']],
    ['aggregate', []],
    ['migrate', []],
  ] as const)('%s', (process, names) => {
    expect(errorsOf(SHARED, process).map((error) => error.split(':')[0])).toEqual(names)
  })
})

describe('weak and misspelt configuration', () => {
  test('a token or key that is not random, and base64 that is not canonical, are refused', () => {
    expect(errorsOf({ ADMIN_TOKEN: 'changemechangemechangemechangeme' })).toEqual([expect.stringContaining('fewer than 8 different characters')])
    expect(errorsOf({ MASTER_KEY: Buffer.alloc(32).toString('base64') })).toEqual([expect.stringContaining('fewer than 8 different bytes')])
    const key = randomBytes(32).toString('base64')
    for (const other of [`!!${key}`, `${key}??`, key.replace('=', ''), ` ${key}`])
      expect(errorsOf({ MASTER_KEY: other })).toEqual([expect.stringContaining('canonical base64')])
    // A weak key can still be replaced.
    expect(readConfig({ MASTER_KEY: key, MASTER_KEY_PREVIOUS: Buffer.alloc(32).toString('base64') }).MASTER_KEY).toBe(key)
  })

  test('CLICKHOUSE_PASSWORD needs a URL that has no password', () => {
    expect(errorsOf({ CLICKHOUSE_PASSWORD: 'x' })).toEqual(['CLICKHOUSE_PASSWORD: is only allowed with CLICKHOUSE_URL'])
    expect(errorsOf({ CLICKHOUSE_PASSWORD: 'x', CLICKHOUSE_URL: 'http://u:p@store:8123' }, 'migrate')).toEqual([expect.stringContaining('set one of them')])
  })

  test('CLICKHOUSE_URLS is an ordered list of different servers with one database, and needs Kafka if it has several', () => {
    const urls = 'http://one:8123/usage, http://two:8123/usage'
    expect(readConfig({ CLICKHOUSE_URLS: urls }, 'migrate')).toMatchObject({
      CLICKHOUSE_URL: 'http://one:8123/usage',
      CLICKHOUSE_URLS: ['http://one:8123/usage', 'http://two:8123/usage'],
      CLICKHOUSE_CLUSTER: 'meterline',
    })
    expect(errorsOf({ CLICKHOUSE_URLS: urls }, 'ingest')).toEqual([
      expect.stringContaining('KAFKA_BROKERS: is required when CLICKHOUSE_URLS lists several servers'),
    ])
    expect(errorsOf({ CLICKHOUSE_URLS: urls, CLICKHOUSE_URL: 'http://one:8123' }, 'migrate')).toEqual([expect.stringContaining('set beside CLICKHOUSE_URL')])
    expect(errorsOf({ CLICKHOUSE_URLS: 'http://one:8123/a,http://two:8123/b' }, 'migrate')).toEqual([expect.stringContaining('the same database')])
    expect(errorsOf({ CLICKHOUSE_URLS: 'http://one:8123,http://one:8123' }, 'migrate')).toEqual([expect.stringContaining('lists a server twice')])
    expect(errorsOf({ CLICKHOUSE_URLS: 'one:8123' }, 'migrate')).toEqual([expect.stringContaining('must be a list of http or https URLs')])
    expect(errorsOf({ CLICKHOUSE_URLS: 'http://one:8123,http://u:p@two:8123', CLICKHOUSE_PASSWORD: 'x' }, 'migrate')).toEqual([
      expect.stringContaining('set one of them'),
    ])
  })

  test('variables that look like misspelt ones are named, and those of other programs are not', () => {
    const misspelt = { RATE_LIMT_PER_MINUTE: '1', ADMIN_TOKENFILE: 'x', CLICKHOUSE_URI: 'x', KAFKA_BROKER: 'x' }
    expect(misspeltVariables(misspelt)).toEqual([
      { given: 'RATE_LIMT_PER_MINUTE', meant: 'RATE_LIMIT_PER_MINUTE' },
      { given: 'ADMIN_TOKENFILE', meant: 'ADMIN_TOKEN_FILE' },
      { given: 'CLICKHOUSE_URI', meant: 'CLICKHOUSE_URL' },
      { given: 'KAFKA_BROKER', meant: 'KAFKA_BROKERS' },
    ])
    for (const known of ['PATH', 'HOME', 'HOSTNAME', 'POST', 'CLICKHOUSE_PORT', 'KAFKA_PORT', 'ADMIN_TOKEN_FILE', 'METERLINE_URL', 'LANGUAGE'])
      expect(misspeltVariables({ [known]: 'x' })).toEqual([])
    expect(errorsOf({ CLICKHOUSE_URL: 'http://store:8123', MASTER_KEYS: 'x', ADMIN_TOKEN: SECRET })).toEqual([
      'MASTER_KEY: is required when CLICKHOUSE_URL is set',
      'MASTER_KEYS: is no variable of Meterline; did you mean MASTER_KEY?',
    ])
  })
})

/** The lines of the error message below its first one. */
function errorsOf(environment: Record<string, string>, process?: ConfiguredProcess): string[] {
  try {
    readConfig(environment, process)
  } catch (error) {
    return String(error)
      .split('\n')
      .slice(1)
      .map((line) => line.trim())
  }
  return []
}
