import { expect, test } from 'vitest'
import { collectAccessLog } from '../../emitter/collectors/access-log.ts'
import { parseLogLine } from '../../emitter/collectors/access-log-line.ts'
import { projectByPattern } from '../../emitter/collectors/project-names.ts'
import type { WireEvent } from '../../emitter/event.ts'
import { Random } from '../support/random.ts'

const SEED = Number(process.env['RANDOM_SEED'] ?? Date.now() % 1_000_000)
const projectOfPath = projectByPattern('^/p/(?<project>[^/?]+)/')

interface Content {
  readonly isComplete?: boolean
  readonly source?: string | undefined
  readonly chunkBytes?: number
}

function collect(text: string, { isComplete = false, source, chunkBytes = 1 << 16 }: Content = {}) {
  const bytes = Buffer.from(text)
  const chunks = async function* () {
    for (let from = 0; from < bytes.length; from += chunkBytes) yield bytes.subarray(from, from + chunkBytes)
  }
  return collectAccessLog({
    chunks: chunks(),
    isComplete,
    source,
    projectOf: ({ path }) => projectOfPath(path),
    bytesMetric: 'egress_bytes',
    callsMetric: 'function_calls',
    isCall: (status) => status < 300,
  })
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const two = (value: number) => String(value).padStart(2, '0')
const line = (atMs: number, { path = '/p/a/x', status = 200, bytes = '10' } = {}) => {
  const at = new Date(atMs)
  const day = `${two(at.getUTCDate())}/${MONTHS[at.getUTCMonth()]}/${at.getUTCFullYear()}`
  const time = `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())}`
  return `10.0.0.1 - - [${day}:${time} +0000] "GET ${path} HTTP/1.1" ${status} ${bytes} "-" "curl/8"\n`
}
const START = Date.UTC(2026, 10, 28, 22)
const HOUR_MS = 3_600_000
const sumOf = (samples: readonly WireEvent[], metric: string) =>
  samples.filter((each) => each.metric === metric).reduce((sum, { value }) => sum + BigInt(value), 0n)

test('the lines of an hour are summed per project when a line of another hour follows, or the file is complete', async () => {
  const log = [
    line(START),
    line(START + 1000, { path: '/p/b/y?q=1', bytes: '9007199254740993'.slice(0, 15) }),
    line(START + 2000, { status: 500, bytes: '-' }),
    line(START + 3000, { path: '/health' }),
    line(START + HOUR_MS, { bytes: '7' }),
  ].join('')
  const { samples, ignored } = await collect(log)
  expect(samples.map(({ project_id, metric, value, timestamp }) => [project_id, metric, value, timestamp])).toEqual([
    ['a', 'egress_bytes', '10', '2026-11-28T22:00:00.000Z'],
    ['b', 'egress_bytes', '900719925474099', '2026-11-28T22:00:00.000Z'],
    ['a', 'function_calls', '1', '2026-11-28T22:00:00.000Z'],
    ['b', 'function_calls', '1', '2026-11-28T22:00:00.000Z'],
  ])
  expect(ignored).toEqual([
    { reason: 'lines without a project', count: 1, examples: ['line 4'] },
    { reason: 'lines that wait for the end of their hour', count: 1, examples: ['from line 5'] },
  ])
  const complete = await collect(log, { isComplete: true })
  expect([complete.samples.slice(0, 4), complete.samples.length]).toEqual([samples, 6])
})

test('a log that is read again while it grows, and after its rotation, has the same ids with the same values, and every line counts once', async () => {
  const random = new Random(SEED)
  let atMs = START
  let text = ''
  for (let count = 0; count < 400; count += 1) {
    // Some lines are older than the one before them, as the requests that took longer.
    atMs += random.below(1_200_000) - 500_000
    text += random.below(20) === 0 ? 'broken line\n' : line(atMs, { path: `/p/${random.below(4)}/`, bytes: String(random.below(1e6)) })
  }
  const sent = new Map<string, string>()
  const send = (samples: readonly WireEvent[]) => {
    for (const { project_id, event_id, value } of samples) {
      const key = JSON.stringify([project_id, event_id])
      expect(sent.get(key) ?? value, `seed ${SEED}: a conflict`).toBe(value)
      sent.set(key, String(value))
    }
  }
  for (let end = 0; end < text.length; end += random.below(6_000)) send((await collect(text.slice(0, end), { chunkBytes: 1 + random.below(500) })).samples)
  const complete = await collect(text, { isComplete: true })
  send(complete.samples)
  expect(sent.size).toBe(complete.samples.length)
  const lines = text.split('\n').flatMap((each) => parseLogLine(each) ?? [])
  expect(sumOf(complete.samples, 'egress_bytes'), `seed ${SEED}`).toBe(lines.reduce((sum, { bytes }) => sum + bytes, 0n))
  expect(sumOf(complete.samples, 'function_calls')).toBe(BigInt(lines.length))
})

test('equal lines count each, other logs and other sources have other ids, and the next log begins with its own', async () => {
  const [first, twice] = [line(START), line(START).repeat(2)]
  expect(sumOf((await collect(twice, { isComplete: true })).samples, 'egress_bytes')).toBe(20n)
  const idsOf = async (text: string, source?: string) => (await collect(text, { isComplete: true, source })).samples.map(({ event_id }) => event_id)
  const all = [...(await idsOf(first)), ...(await idsOf(first, 'web2')), ...(await idsOf(line(START + 1000)))]
  expect(new Set(all).size).toBe(6)
})

test('a malformed line is reported with its number and not counted, also one that was cut off or is too long', async () => {
  const cut = line(START).slice(0, -15)
  const log = [line(START), `${cut}\n`, '\n', line(START, { path: `/p/a/${'x'.repeat(70_000)}` }), '\u0016\u0003\u0001\n', line(START, { path: '/p/b/' })]
  const { samples, ignored } = await collect(log.join(''), { isComplete: true, chunkBytes: 1000 })
  expect(sumOf(samples, 'egress_bytes')).toBe(20n)
  expect(ignored).toEqual([{ reason: 'malformed lines', count: 4, examples: ['line 2', 'line 3', 'line 4', 'line 5'] }])
})

test('the last line counts without its end only if the file is complete', async () => {
  const log = line(START) + line(START, { bytes: '5' }).trimEnd()
  for (const text of [log, log.slice(0, -20)])
    expect(await collect(text)).toMatchObject({ samples: [], ignored: [{ reason: expect.stringContaining('wait'), count: 2 }] })
  expect(sumOf((await collect(log, { isComplete: true })).samples, 'egress_bytes')).toBe(15n)
})

test.each([
  ['1.2.3.4 - - [28/Nov/2026:23:30:00 -0130] "GET / HTTP/1.1" 200 5 "-" "-"', { path: '/', status: 200, bytes: 5n, hourMs: Date.UTC(2026, 10, 29, 1) }],
  ['a.example.com:443 1.2.3.4 - "x y" [28/Nov/2026:23:30:00 +0530] "POST /p?a=\\"b\\" HTTP/2" 204 - "r" "u \\" v" 0.1', { host: 'a.example.com', bytes: 0n }],
  ['1.2.3.4 - - [28/Nov/2026:10:00:00 +0000] "-" 400 0 "-" "-"', { path: '', status: 400 }],
])('%s is a line of the combined format', (text, expected) => {
  expect(parseLogLine(text)).toMatchObject(expected)
})

test.each([
  '1.2.3.4 - - [31/Feb/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "-"',
  '1.2.3.4 - - [28/Nov/2026:24:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "-"',
  '1.2.3.4 - - [28/Now/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "-"',
  '1.2.3.4 - - [28/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 -5 "-" "-"',
  '1.2.3.4 - - [28/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 5',
  '{"time":"2026-11-28"}',
])('%s is none', (text) => {
  expect(parseLogLine(text)).toBeUndefined()
})
