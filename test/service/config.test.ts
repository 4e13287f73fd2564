import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { mayCall } from '../../outgoing/public-address.ts'
import { readConfig } from '../../service/config.ts'

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

/** The lines of the error message below its first one. */
function errorsOf(environment: Record<string, string>): string[] {
  try {
    readConfig(environment)
  } catch (error) {
    return String(error)
      .split('\n')
      .slice(1)
      .map((line) => line.trim())
  }
  return []
}
