import { EVENTS_BODY_BYTES_MAX } from '../contract/events.ts'

export interface HostileRequest {
  readonly name: string
  readonly what: string
  readonly contentType: 'application/json' | 'application/x-ndjson'
  /** The n-th body; two are never the same, so that nothing is a duplicate. */
  body(n: number): Buffer
}

/** Requests that a legal size alone does not make cheap: each body is cut to 10 MiB, the limit. */
export const HOSTILE_REQUESTS: readonly HostileRequest[] = [
  json('plain', '10,000 plain events (no attack)', (n) => eventsWith(n, () => '')),
  json('numbers', '10,000 events with long numbers', (n) => eventsWith(n, () => `,"x":[${'1,'.repeat(400)}1]`, '1.00000000000000000000000000001')),
  json('names', '10,000 events with 80 names of their own each', (n) => eventsWith(n, (index) => `,${manyNames(index * 80, 80)}`)),
  json('empty', '10,000 events with 300 empty objects each', (n) => eventsWith(n, () => `,"x":[${'{},'.repeat(300)}1]`)),
  json('keys', 'one event with 600,000 names', (n) => `[${eventOf(n, `,${manyNames(0, 600_000)}`)}]`),
  json('nested', 'five million nested arrays', () => '['.repeat(5_000_000) + ']'.repeat(5_000_000)),
  json('open', 'ten million opened arrays', () => '['.repeat(EVENTS_BODY_BYTES_MAX)),
  json('exponents', '10,000 events with exponents of five digits', (n) => eventsWith(n, () => '', '1e99999')),
  json(
    'ids',
    '160 events with ids of 60,000 characters',
    (n) => `[${Array.from({ length: 160 }, (_, index) => eventOf(n * 160 + index, `,"event_id":"${'é'.repeat(30_000)}"`)).join()}]`,
  ),
  lines('lines', 'ten million empty lines', () => '\n'.repeat(EVENTS_BODY_BYTES_MAX)),
  lines('spaces', 'one line of spaces', () => ' '.repeat(EVENTS_BODY_BYTES_MAX)),
  lines('garbage', '9,999 lines that are not JSON', (n) =>
    Array.from({ length: 9_999 }, (_, index) => `{"a${n * 10_000 + index}":${'x'.repeat(1_000)}`).join('\n'),
  ),
  json(
    'months',
    '320 events of 320 months',
    (n) => `[${Array.from({ length: 320 }, (_, month) => eventOf(n * 320 + month, '', '1', new Date(Date.UTC(2000, month, 1)))).join()}]`,
  ),
]

function json(name: string, what: string, textOf: (n: number) => string): HostileRequest {
  return { name, what, contentType: 'application/json', body: (n) => cut(textOf(n)) }
}

function lines(name: string, what: string, textOf: (n: number) => string): HostileRequest {
  return { ...json(name, what, textOf), contentType: 'application/x-ndjson' }
}

function cut(text: string): Buffer {
  return Buffer.from(text, 'utf8').subarray(0, EVENTS_BODY_BYTES_MAX)
}

function eventsWith(n: number, moreOf: (index: number) => string, value = '1'): string {
  return `[${Array.from({ length: 10_000 }, (_, index) => eventOf(n * 10_000 + index, moreOf(n * 10_000 + index), value)).join()}]`
}

function eventOf(number: number, more: string, value = '1', at = new Date(Date.UTC(2026, 0, 15))): string {
  return `{"event_id":"e${number}","project_id":"p","metric":"ai_tokens","value":${value},"timestamp":"${at.toISOString()}"${more}}`
}

function manyNames(first: number, count: number): string {
  return Array.from({ length: count }, (_, index) => `"k${(first + index).toString(36)}":1`).join()
}
