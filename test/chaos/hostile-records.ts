import { gzipSync } from 'node:zlib'
import type { IHeaders } from 'kafkajs'
import type { Random } from '../support/random.ts'

/** With this header the emitter says for which reason its record must be rejected. Nothing but the fold reads it. */
export const EXPECTED_HEADER = 'chaos_expected'

/** A record of a topic that must be rejected. */
export interface HostileRecord {
  readonly value: Buffer
  readonly headers: IHeaders
  readonly reason: string
}

/** A request that must be answered with this status, and if that is 202, with these reasons by index. */
export interface HostileRequest {
  readonly body: Buffer
  readonly headers: Readonly<Record<string, string>>
  readonly status: number
  readonly rejected: Readonly<Record<string, string>>
  /** Of the events that the answer accepts. */
  readonly accepted: readonly { readonly projectId: string; readonly eventId: string; readonly value: string }[]
}

const at = '2026-03-04T05:06:07Z'
const UNPACKED_BYTES = 6_000_000
const BODY_BYTES_MAX = 10 * 1024 * 1024

/** Each is generated once: of the same bytes only the first are kept. */
export function hostileRecord(random: Random, id: string, project: string): HostileRecord {
  const kinds = recordsOf(id, project)
  const { reason, value, headers = {} } = random.pick(kinds)
  return { value: Buffer.from(value() as string), headers: { ...headers, [EXPECTED_HEADER]: reason }, reason }
}

/** By the contract. The values are made when they are used: some are large. */
function recordsOf(id: string, project: string): readonly { reason: string; value: () => string | Buffer; headers?: IHeaders }[] {
  const event = { event_id: id, project_id: project, metric: 'ai_tokens', value: 1, timestamp: at }
  const text = (extra: object = {}) => JSON.stringify({ ...event, ...extra })
  const withValue = (value: string) => text().replace('"value":1', () => `"value":${value}`)
  const cloud = { specversion: '1.0', source: '/chaos', id, type: 'ai_tokens', subject: project, time: at }
  const binary = (attributes: object) => Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`ce_${name}`, String(value)]))
  const structured = { 'content-type': 'application/cloudevents+json' }
  return [
    { reason: 'too_large', value: () => withValue('9'.repeat(UNPACKED_BYTES)) },
    { reason: 'too_large', value: () => `${' '.repeat(UNPACKED_BYTES)}${text()}` },
    { reason: 'invalid_json', value: () => text().replace(/}$/, ',}') },
    { reason: 'invalid_json', value: () => withValue('NaN') },
    { reason: 'invalid_json', value: () => withValue(`1,"x":${'['.repeat(20_000)}`) },
    { reason: 'invalid_json', value: () => Buffer.from(text(), 'utf16le') },
    { reason: 'invalid_json', value: () => Buffer.from(text({ event_id: `${id}\u00e9` }), 'latin1') },
    { reason: 'invalid_event', value: () => text({ event_id: id.repeat(100) }) },
    ...['usage', 'projects', 'statements', '..'].map((reserved) => ({ reason: 'invalid_event', value: () => text({ project_id: reserved }) })),
    { reason: 'invalid_value', value: () => withValue(`1.${'1'.repeat(10_000)}`) },
    { reason: 'invalid_event', value: () => JSON.stringify({ ...cloud, specversion: '0.3', data: { value: 1 } }) },
    { reason: 'invalid_event', value: () => text(), headers: structured },
    { reason: 'invalid_value', value: () => JSON.stringify({ ...cloud, data: {} }), headers: structured },
    { reason: 'invalid_event', value: () => JSON.stringify({ value: 1, id }), headers: binary({ ...cloud, id: '' }) },
    { reason: 'invalid_value', value: () => JSON.stringify({ id }), headers: binary(cloud) },
  ]
}

export function hostileRequest(random: Random, id: string, project: string): HostileRequest {
  const kinds = requestsOf(id, project)
  const { status, body, headers = {}, rejected = {}, counts = false } = random.pick(kinds)
  const accepted = counts ? [{ projectId: project, eventId: id, value: goodEvent(id, project) }] : []
  return { body: Buffer.from(body() as string), headers: { 'content-type': 'application/json', ...headers }, status, rejected, accepted }
}

interface RequestKind {
  readonly status: number
  body(): string | Buffer
  readonly headers?: Readonly<Record<string, string>>
  readonly rejected?: Readonly<Record<string, string>>
  /** Its good event counts. */
  readonly counts?: true
}

function requestsOf(id: string, project: string): readonly RequestKind[] {
  const good = goodEvent(id, project)
  const reserved = goodEvent(`${id}-r`, 'usage')
  const gzip = { 'content-encoding': 'gzip' }
  return [
    { status: 202, rejected: { 1: 'invalid_json', 2: 'invalid_event' }, counts: true, body: () => `[${good},{"event_id":"${id}-b","value":NaN},${reserved}]` },
    { status: 202, rejected: { 1: 'too_large' }, counts: true, body: () => `[${good},${goodEvent(`${id}${'-h'.repeat(40_000)}`, project)}]` },
    {
      status: 202,
      rejected: { 0: 'invalid_json', 2: 'invalid_json' },
      counts: true,
      headers: { 'content-type': 'application/x-ndjson' },
      body: () => `{"event_id":"${id}-cut\n${good}\n["${id}"`,
    },
    { status: 202, rejected: { 0: 'invalid_event' }, headers: { 'content-type': 'application/cloudevents+json' }, body: () => goodEvent(`${id}-c`, project) },
    { status: 400, body: () => `[${good},{"event_id":"${id}-open` },
    { status: 400, body: () => '['.repeat(1_000_000) },
    { status: 400, headers: gzip, body: () => gzipSync(good).subarray(0, -6) },
    { status: 413, headers: gzip, body: () => gzipSync(Buffer.alloc(BODY_BYTES_MAX + 1, ' ')) },
    { status: 415, headers: { 'content-type': 'application/json; charset=utf-16' }, body: () => good },
    { status: 415, headers: { 'content-encoding': 'compress' }, body: () => good },
  ]
}

function goodEvent(id: string, project: string): string {
  return JSON.stringify({ event_id: id, project_id: project, metric: 'ai_tokens', value: 1, timestamp: at })
}
