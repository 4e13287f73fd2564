import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Credentials } from '../support/clients/client.ts'
import { startEventProxy } from '../support/clients/event-proxy.ts'
import { runHere } from '../support/clients/run-here.ts'
import { runMeterline } from '../support/engines/service-process.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

let tested: TestService
let partner: Credentials
let environment: Record<string, string>
const directory = makeTemporaryDirectory()
beforeAll(async () => {
  tested = await startTestService()
  partner = await tested.client.createPartner('Ours')
  environment = { METERLINE_URL: tested.service.url, METERLINE_ACCESS_TOKEN: await tested.client.createIngestKey() }
})
afterAll(async () => {
  await tested.stop()
  directory.remove()
})

const AT = '2026-01-31T12:00:00Z'
let files = 0
/** Writes a file with a new name that ends with `ending`. */
function write(ending: string, content: string | Buffer): string {
  files += 1
  const path = join(directory.path, `${files}${ending}`)
  writeFileSync(path, content)
  return path
}
const run = (...args: string[]) => runHere(['import', ...args], environment)
const summaryOf = (stdout: string) => JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')
const linesOf = (path: string) =>
  readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))

/** The sum of a project's ai_tokens. */
async function tokensOf(projectId: string): Promise<string> {
  await tested.client.registerProject(projectId, partner.partnerId)
  return (await tested.client.projectUsage(partner, projectId, '2026-01-01', '2026-01-31')).body.summary.total_ai_tokens
}

const event = (project_id: string, value: unknown, rest: object = {}) => JSON.stringify({ project_id, metric: 'ai_tokens', value, timestamp: AT, ...rest })

describe('meterline import', () => {
  test('counts every event of NDJSON, with all digits, whatever its line ends, marks and blank lines', async () => {
    const lines = [
      event('nd', '12345678901234567890.123456789', { event_id: 'a' }),
      '',
      event('nd', 9007199254740991, { event_id: 'b' }),
      '  ',
      event('nd', 0.1),
    ]
    const file = write('.ndjson', `\ufeff${lines.join('\r\n')}`)
    const { code, stdout, stderr } = await run(file)
    expect([code, stdout]).toEqual([0, `${file}: 3 rows: 3 accepted, 0 duplicates, 0 rejected\n`])
    expect(stderr).toContain('rows without an event_id get one')
    expect(await tokensOf('nd')).toBe('12354686100489308881.223456789')
    expect(existsSync(`${file}.meterline-import.json`)).toBe(false)
  })

  test('reads CSV with mapped columns, constants, quoted line ends and quotation marks, any delimiter and no last line end', async () => {
    const rows = ['"Kunde, Nr";Menge;Datum;Notiz', `csv;1.5;${AT};"two\r\nlines; and ""quotes"""`, '', `csv;2;${AT};5" wide`, `"csv";"3";"${AT}";`]
    const file = write('.csv', `\ufeff${rows.join('\r\n')}`)
    const mapping = ['--map', 'project_id=Kunde, Nr,value=Menge', '--map', 'timestamp=Datum', '--set', 'metric=ai_tokens']
    expect(await run(file, ...mapping)).toMatchObject({ code: 0, stdout: expect.stringContaining('3 rows: 3 accepted') })
    expect(await tokensOf('csv')).toBe('6.5')
  })

  test('reads the elements of a JSON array, of the array "events", and nested members', async () => {
    const pretty = JSON.stringify([{ project_id: 'json', metric: 'ai_tokens', value: '1', timestamp: AT, note: '],}"\\' }], null, 2)
    const wrapped = `{"meta":{"events":[1]},"events":[\n${event('json', 2)},${event('json', 3)}],"more":[{}]}`
    const named = JSON.stringify([{ id: 17, subject: 'json', data: { value: 4.25 }, time: AT }])
    expect(await run(write('.json', pretty), write('.json', wrapped))).toMatchObject({ code: 0, stderr: expect.not.stringContaining('error') })
    const mapping = ['--map', 'event_id=id,project_id=subject,value=data.value,timestamp=time', '--set', 'metric=ai_tokens']
    expect(await run(write('.json', named), ...mapping)).toMatchObject({ code: 0 })
    expect(await tokensOf('json')).toBe('10.25')
  })

  test('unpacks gzip and zstd by their first bytes, and reads stdin', async () => {
    const gzip = write('.data', gzipSync(`${event('packed', 1)}\n${event('packed', 2)}\n`))
    expect(await run(gzip)).toMatchObject({ code: 0, stdout: expect.stringContaining('2 accepted') })
    const zstd = write('.zst', zstdOf(event('packed', 3)))
    expect(await run(zstd)).toMatchObject({ code: 0, stdout: expect.stringContaining('1 accepted') })
    const piped = await runMeterline(['import', '-'], environment, { input: event('packed', 4) })
    expect(piped).toMatchObject({ code: 0, stdout: 'stdin: 1 row: 1 accepted, 0 duplicates, 0 rejected\n' })
    expect(await tokensOf('packed')).toBe('10')
    const cut = write('.gz', gzipSync(`${event('packed', 5)}\n`.repeat(1000)).subarray(0, 60))
    expect(await run(cut)).toMatchObject({ code: 1, stderr: expect.stringContaining('cannot be read to its end') })
  })

  test('the same file twice counts nothing twice, and two equal rows of a file are two events', async () => {
    const file = write('.csv', `project_id,metric,value,timestamp\n${`same,ai_tokens,1,${AT}\n`.repeat(3)}`)
    expect(await run(file)).toMatchObject({ code: 0, stdout: expect.stringContaining('3 accepted, 0 duplicates') })
    expect(await run(file)).toMatchObject({ code: 0, stdout: expect.stringContaining('0 accepted, 3 duplicates'), stderr: expect.stringContaining('--source') })
    expect(await tokensOf('same')).toBe('3')
    // Rows that were appended count, those before them do not count again.
    appendFileSync(file, `same,ai_tokens,1,${AT}\n`)
    expect(await run(file)).toMatchObject({ stdout: expect.stringContaining('1 accepted, 3 duplicates') })
    expect(await run(file, '--source', 'other')).toMatchObject({ stdout: expect.stringContaining('4 accepted, 0 duplicates') })
    expect(await tokensOf('same')).toBe('8')
  })

  test('P7: a row that cannot be read is rejected alone, with its line and reason; the file of rejected rows can be corrected and imported', async () => {
    const bad = [
      Buffer.from(`${event('bad', 1)}\n{"project_id":"`),
      Buffer.from([0xff, 0xfe]),
      Buffer.from(
        `"}\n{"cut\n${event('bad', '-1')}\n[1]\n${event('bad', 2, { note: 'x'.repeat(300_000) })}\n${event('bad', 4)}\n${event('bad', 8, { metric: 'none', event_id: 'kept' })}`,
      ),
    ]
    const file = write('.ndjson', Buffer.concat(bad))
    const rejects = join(directory.path, 'rejects.ndjson')
    const { code, stdout, stderr } = await run(file, '--rejects', rejects)
    expect([code, stderr]).toEqual([1, expect.stringContaining(`6 of 8 rows rejected.\nCorrect them in ${rejects}`)])
    const found = [...stdout.matchAll(/ {2}line (\d+)[^:]*: (\w+):/g)].map(([, line, reason]) => `${line} ${reason}`)
    expect(found).toEqual(['2 invalid_json', '3 invalid_json', '4 invalid_value', '5 invalid_event', '6 too_large', '8 unknown_metric'])
    const rejected = linesOf(rejects)
    expect(rejected.map(({ rejected: { line } }) => line)).toEqual([2, 3, 4, 5, 6, 8])
    expect(rejected.at(-1)).toMatchObject({ event_id: 'kept', value: 8, rejected: { reason: 'unknown_metric' } })
    // A file that may hold rows which are not corrected yet is not overwritten.
    expect(await run(file, '--rejects', rejects)).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('already') })
    const corrected = [
      { ...rejected[2], value: 16 },
      { ...rejected[5], metric: 'ai_tokens' },
    ]
    expect(await run(write('.ndjson', corrected.map((each) => JSON.stringify(each)).join('\n')))).toMatchObject({ code: 0, stderr: '' })
    expect(await tokensOf('bad')).toBe('29')
  })

  test('--dry-run gives the outcomes that the service would give, and sends nothing', async () => {
    const rows = [
      event('dry', 1),
      event('dry', 'x'),
      event('no space', 1),
      event('dry', 1, { timestamp: '2026-02-30T00:00:00Z' }),
      event('dry', 1, { timestamp: '2100-01-01T00:00:00Z' }),
    ]
    const file = write('.ndjson', rows.join('\n'))
    const dry = await run(file, '--dry-run')
    expect(await tokensOf('dry')).toBe('0')
    const sent = await run(file)
    expect([dry.code, dry.stdout.split('\n').slice(1).map(withoutInstant)]).toEqual([1, sent.stdout.split('\n').slice(1).map(withoutInstant)])
    expect(dry.stdout).toContain('5 rows: 1 valid, 4 rejected')
    // It needs neither a service nor credentials.
    expect(await runHere(['import', file, '--dry-run'])).toMatchObject({ code: 1, stdout: expect.stringContaining('1 valid') })
  })

  test('--json prints lines for programs: rejected rows, progress, and a summary at the end', async () => {
    const { code, stdout, stderr } = await run(write('.ndjson', `${event('j', 1)}\n{`), '--json')
    expect([code, JSON.parse(stderr)]).toEqual([1, expect.objectContaining({ code: 'ROWS_REJECTED' })])
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).type),
    ).toEqual(['rejected', 'progress', 'summary'])
    expect(summaryOf(stdout)).toMatchObject({
      dry_run: false,
      rows: 2,
      rejected: 1,
      files: [{ rows: 2, accepted: 1, duplicates: 0, rejected: 1, derived_ids: 1 }],
    })
  })

  test('of JSON that is cut off, what is before the cut counts', async () => {
    const cut = write('.json', `[${event('cut', 1)},\n${event('cut', 2)},{"a":`)
    expect(await run(cut)).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('2 rows of') })
    expect(await tokensOf('cut')).toBe('3')
  })

  test('an import that stopped in a damaged file goes on behind the last row when the file is repaired; another beginning or another call is an error', async () => {
    const beginning = `{"events":[${event('half', 1)},\n${event('half', 'x')},`
    const file = write('.json', `${beginning}{"a":`)
    const rejects = join(directory.path, 'half.ndjson')
    const stopped = await run(file, '--rejects', rejects)
    expect(stopped).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('2 rows of') })
    expect(stopped.stderr).toContain('Repeat the same call: it goes on from there.')
    const repaired = `${beginning}${event('half', 2)},7]}`
    writeFileSync(file, repaired.replace('half', 'HALF'))
    expect(await run(file, '--rejects', rejects)).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('has changed since its import was interrupted'),
    })
    writeFileSync(file, repaired)
    expect(await run(file, '--source', 's', '--rejects', rejects)).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('had another --source'),
    })
    const done = write('.ndjson', event('half', 4))
    const resumed = await run(file, done, '--rejects', rejects)
    expect(resumed).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('4 rows: 2 accepted, 0 duplicates, 2 rejected'),
      stderr: expect.stringContaining('going on after 2 rows'),
    })
    expect(resumed.stdout).toContain(`  1 before the interruption: they are in ${rejects}\n`)
    expect(resumed.stdout).not.toContain('more')
    expect(linesOf(rejects).map(({ rejected: { line } }) => line)).toEqual([2, 2])
    expect(await tokensOf('half')).toBe('7')
  })

  test('a resumed import says where the earlier rejected rows are, and that rows without an answer are among the duplicates', async () => {
    const beginning = `[${event('sent', 'x')},`
    const second = event('sent', 2, { event_id: 'second' })
    const file = write('.json', `${beginning}{"a":`)
    expect(await run(file)).toMatchObject({ code: 1, stderr: expect.stringContaining('1 row of') })
    // As a request that was counted and whose answer did not arrive.
    expect(await run(write('.ndjson', second))).toMatchObject({ code: 0 })
    writeFileSync(file, `${beginning}${second}]`)
    const resumed = await run(file)
    expect(resumed.stdout).toBe(
      `${file}: 2 rows: 0 accepted, 1 duplicate, 1 rejected\n  1 before the interruption: --restart shows them, and counts nothing twice\n`,
    )
    expect(resumed.stderr).toContain('going on after 1 row.\n')
    expect(resumed.stderr).toContain('Those that had been counted are among the duplicates, and count once.\n')
  })

  test('--restart begins with the first row and counts nothing twice; a position that cannot be read is an error', async () => {
    const file = write('.json', `[${event('again', 1)},`)
    const rejects = join(directory.path, 'again.ndjson')
    expect(await run(file, '--rejects', rejects)).toMatchObject({ code: 1 })
    writeFileSync(file, `[${event('again', 1)},${event('again', 2)},1]`)
    expect(await run(file, '--rejects', rejects, '--restart')).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('3 rows: 1 accepted, 1 duplicate, 1 rejected'),
    })
    writeFileSync(`${file}.meterline-import.json`, '{"version":1')
    expect(await run(file)).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('--restart') })
    expect(await run(file, '--restart')).toMatchObject({ code: 1, stdout: expect.stringContaining('0 accepted, 2 duplicates') })
  })

  test('P1: a request that fails while later ones succeed leaves no gap: the repeated import sends its rows', async () => {
    let isFailing = true
    const treat = (body: Buffer) => (isFailing && body.includes('"second"') ? { status: 403, body: '{"code":"FORBIDDEN","message":"Not now."}' } : 'forward')
    const proxy = await startEventProxy({ target: () => tested.service.url, treat })
    const throughProxy = { ...environment, METERLINE_URL: proxy.url }
    // Three requests.
    const file = write('.ndjson', Array.from({ length: 5_000 }, (_, index) => event('gap', 1, index === 3_000 ? { event_id: 'second' } : {})).join('\n'))
    const failed = await runHere(['import', file], throughProxy)
    expect(failed).toMatchObject({ code: 5, stdout: '', stderr: expect.stringContaining('Not now. 2,000 rows of') })
    isFailing = false
    expect(await runHere(['import', file], throughProxy)).toMatchObject({ code: 0, stdout: expect.stringContaining('5,000 rows: ') })
    proxy.stop()
    expect(await tokensOf('gap')).toBe('5000')
  })

  test('another kind of credentials is 5, a wrong ingest key is 2, and no service is 1', async () => {
    const file = write('.ndjson', event('auth', 1))
    expect(await runHere(['import', file], { ...environment, METERLINE_ACCESS_TOKEN: tested.service.adminToken })).toMatchObject({ code: 5, stdout: '' })
    expect(await runHere(['import', file], { ...environment, METERLINE_ACCESS_TOKEN: `mli_${'x'.repeat(32)}` })).toMatchObject({ code: 2, stdout: '' })
    expect(await runHere(['import', file], { ...environment, METERLINE_URL: 'http://127.0.0.1:1' })).toMatchObject({ code: 1, stdout: '' })
  })
})

describe('meterline emit', () => {
  const emit = (...args: string[]) => runHere(['emit', '--project', 'one', '--metric', 'ai_tokens', ...args], environment)

  test('sends one event with all digits, prints its id, and says when it had been counted before', async () => {
    const first = await emit('--value', '12345678901234567890.123456789', '--at', AT)
    expect(first).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]+ accepted\n$/) })
    expect(await emit('--value', '1', '--id', 'i', '--at', AT)).toMatchObject({ code: 0, stdout: 'i accepted\n' })
    expect(await emit('--value', '1', '--id', 'i')).toMatchObject({ code: 0, stdout: expect.stringContaining('i is a duplicate') })
    const { stdout } = await runHere(['--json', 'emit', '--project', 'one', '--metric', 'ai_tokens', '--value', '1', '--id', 'i'], environment)
    expect(JSON.parse(stdout)).toEqual({ event_id: 'i', outcome: 'duplicate', accepted: 0, duplicates: 1 })
    expect(await tokensOf('one')).toBe('12345678901234567891.123456789')
  })

  test('an event that the service rejects is exit code 1 with the reason', async () => {
    await emit('--value', '1', '--id', 'taken', '--at', AT)
    expect(await emit('--value', '2', '--id', 'taken', '--at', AT)).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('(conflict)') })
  })
})

function withoutInstant(line: string): string {
  return line.replace(/after \d{4}-[^ ,]*,/, 'after …,')
}

/** A zstd frame (RFC 8878) of one block that is not compressed. */
function zstdOf(text: string): Buffer {
  const content = Buffer.from(text)
  const block = (content.length << 3) | 1
  const [magic, descriptorAndWindow] = [Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), Buffer.from([0x00, 0x58])]
  return Buffer.concat([magic, descriptorAndWindow, Buffer.from([block & 0xff, (block >> 8) & 0xff, block >> 16]), content])
}
