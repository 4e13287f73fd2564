import { EVENTS_BODY_BYTES_MAX } from '../../../contract/events.ts'

export interface HostileBody {
  readonly what: string
  readonly contentType: 'application/json' | 'application/x-ndjson'
  body(): Buffer
  /** The status over HTTP, and the reason of its last event if there is one. */
  readonly status: 200 | 400 | 413
  readonly reason?: string
}

const MIB = 1024 * 1024
const at = '2026-01-15T12:00:00Z'

/** Bodies of a legal size that held a process for seconds, or threw, in an earlier version. */
export const HOSTILE_BODIES: readonly HostileBody[] = [
  json(
    '2,500 events with a long number and 1,950 levels',
    200,
    () => list(2_500, (n) => event(n, `1.${'1'.repeat(20)}`, `,"x":${nested(1_950)}`)),
    'invalid_value',
  ),
  json(
    '150 events with a long number and 30,000 levels',
    200,
    () => list(150, (n) => event(n, `1.${'1'.repeat(20)}`, `,"x":${nested(30_000)}`)),
    'invalid_value',
  ),
  json('one event with 3.4 million empty objects', 200, () => `[${event(0, '1', `,"x":[${'{},'.repeat(3_400_000)}1]`)}]`, 'too_large'),
  json(
    'one event with a million names',
    200,
    () => `[${event(0, '1', `,${Array.from({ length: 1_000_000 }, (_, n) => `"${n.toString(36)}":1`).join()}`)}]`,
    'too_large',
  ),
  lines('9,000 lines with an escaped name and 480 levels', 200, () =>
    Array.from({ length: 9_000 }, (_, n) => event(n, '1', `,"v\\u0061lue":2,"x":${nested(480)}`)).join('\n'),
  ),
  json('5 MiB of [ and 5 MiB of ]', 400, () => nested(5 * MIB)),
  lines('10 MiB of blank lines', 413, () => '\n'.repeat(EVENTS_BODY_BYTES_MAX)),
  json('10 MiB of [', 400, () => '['.repeat(EVENTS_BODY_BYTES_MAX)),
  json('a value of 10 million digits', 200, () => event(0, '9'.repeat(10_000_000)), 'too_large'),
  json('a value of 6 million digits in an array', 200, () => `[${event(0, `1.${'9'.repeat(6_000_000)}`)}]`, 'too_large'),
  json('a timestamp of 6 million digits', 200, () => event(0, '1', `,"timestamp":"2026-01-01T00:00:00.${'1'.repeat(6_000_000)}Z"`), 'too_large'),
  json('an id of 10 million characters', 200, () => event(0, '1', `,"event_id":"${'i'.repeat(10_000_000)}"`), 'too_large'),
  json('a broken event of 9 MiB', 200, () => `[${event(0, 'NaN', `,"x":"${'x'.repeat(9 * MIB)}"`)}]`, 'too_large'),
]

function json(what: string, status: HostileBody['status'], textOf: () => string, reason?: string): HostileBody {
  return { what, status, contentType: 'application/json', body: () => Buffer.from(textOf()), ...(reason !== undefined && { reason }) }
}

function lines(what: string, status: HostileBody['status'], textOf: () => string): HostileBody {
  return { ...json(what, status, textOf), contentType: 'application/x-ndjson' }
}

function list(count: number, textOf: (n: number) => string): string {
  return `[${Array.from({ length: count }, (_, n) => textOf(n)).join()}]`
}

function event(n: number, value: string, more = ''): string {
  return `{"event_id":"hostile-${n}","project_id":"hostile","metric":"ai_tokens","value":${value},"timestamp":"${at}"${more}}`
}

function nested(levels: number): string {
  return '['.repeat(levels) + ']'.repeat(levels)
}
