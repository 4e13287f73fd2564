import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { type Position, type Row, type RowSplitter, START } from '../../cli/import/row.ts'
import { splitJson } from '../../cli/import/split-json.ts'
import { splitLines } from '../../cli/import/split-lines.ts'
import { runHere } from '../support/clients/run-here.ts'
import { Random } from '../support/random.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'

const AT = '2026-01-31T12:00:00Z'
const directory = makeTemporaryDirectory()
afterAll(() => directory.remove())

let files = 0
function write(ending: string, content: string | Buffer): string {
  files += 1
  const path = join(directory.path, `${files}${ending}`)
  writeFileSync(path, content)
  return path
}
const dryRun = (...args: string[]) => runHere(['import', '--dry-run', ...args])

describe('the rows of a file', () => {
  const seed = Date.now() % 1_000_000
  const random = new Random(seed)
  const csv = 'a;b\n1;"two\r\nlines ""q"" ;"\r\n\n;5" x\n"open;2\n3;"bad"x\n \n4;5'
  const json = '[{"a":"]},\\"["},\n 5 , [1,[2]],"x,]"\n,{"b":{}}]\n{"c":[1]}{"m":{"events":[7]},"s":"events","events":[{"d":1}, 2],"z":[{}]}'
  const cases: [string, string, (start: Position) => RowSplitter, string[]][] = [
    ['NDJSON', '{"a":1}\r\n\n  \n{"b"\n{"c":3}', (start) => splitLines(start, undefined), ['1 {"a":1}', '4 {"b"', '5 {"c":3}']],
    [
      'CSV',
      csv,
      (start) => splitLines(start, 0x3b),
      ['1 a;b', '2 1;"two\r\nlines ""q"" ;"', '5 ;5" x', '6 "open;2 (invalid_event)', '7 3;"bad"x (invalid_event)', '9 4;5'],
    ],
    ['JSON', json, splitJson, ['1 {"a":"]},\\"["}', '2 5', '2 [1,[2]]', '2 "x,]"', '3 {"b":{}}', '4 {"c":[1]}', '4 {"d":1}', '4 2']],
  ]

  test.each(cases)('of %s are the same however the content is cut into chunks, and behind every row reading can go on', (_, content, split, expected) => {
    for (let round = 0; round < 200; round += 1) {
      const rows = rowsOf(Buffer.from(content), split(START), random)
      expect(rows.map(shown), `seed ${seed}`).toEqual(expected)
      for (const { end, number } of rows) {
        const rest = rowsOf(Buffer.from(content).subarray(end.bytes), split(end), random)
        expect(rest.map(shown), `seed ${seed}, behind row ${number}`).toEqual(expected.slice(number))
      }
    }
  })

  function rowsOf(content: Buffer, splitter: RowSplitter, from: Random): Row[] {
    const rows: Row[] = []
    for (let at = 0; at < content.length; ) {
      const next = at + 1 + from.below(12)
      rows.push(...splitter.push(content.subarray(at, next)))
      at = next
    }
    return [...rows, ...splitter.finish()]
  }

  function shown({ line, bytes, problem }: Row): string {
    return `${line} ${bytes.toString('utf8')}${problem === undefined ? '' : ` (${problem.reason})`}`
  }

  test('a row that is too long is rejected alone, and so is the line of a quotation mark that is never closed', async () => {
    const long = `p,ai_tokens,1,${AT},${'x'.repeat(400_000)}`
    const rows = [
      'project_id,metric,value,timestamp,note',
      long,
      `p,ai_tokens,1,${AT},"`,
      ...Array.from({ length: 9_000 }, () => `p,ai_tokens,1,${AT},n`),
      long,
    ]
    const { code, stdout } = await dryRun(write('.csv', rows.join('\n')))
    expect([code, stdout]).toEqual([1, expect.stringContaining('9,003 rows: 9,000 valid, 3 rejected')])
    expect([...stdout.matchAll(/line (\d+): (\w+)/g)].map(([, line, reason]) => `${line} ${reason}`)).toEqual([
      '2 too_large',
      '3 invalid_event',
      '9004 too_large',
    ])
    const array = write('.json', `[{"note":"${'x'.repeat(400_000)}"},\n${JSON.stringify({ project_id: 'p', metric: 'ai_tokens', value: 1, timestamp: AT })}]`)
    expect((await dryRun(array)).stdout).toContain('2 rows: 1 valid, 1 rejected\n  line 1: too_large')
  })

  test('a CSV row with other cells than the header is rejected alone', async () => {
    const { code, stdout } = await dryRun(write('.csv', `project_id,metric,value,timestamp\nq,ai_tokens,1,5,${AT}\nq,ai_tokens,4,${AT}\n`))
    expect([code, stdout]).toEqual([1, expect.stringContaining('2 rows: 1 valid, 1 rejected\n  line 2: invalid_event: The row has 5 cells, and the header 4.')])
  })

  test.each(['', '\ufeff', '\n\n', 'project_id,metric,value,timestamp\n', '[]'])('a file without rows (%j) is no error', async (content) => {
    expect(await dryRun(write('', content))).toMatchObject({ code: 0, stdout: expect.stringContaining('0 rows: 0 valid') })
  })
})

describe('mistakes in the call', () => {
  test.each([
    [['--map', 'projekt=Kunde'], 'Fields are event_id, project_id, metric, value, timestamp, and labels.<key> for a label.'],
    [['--map', 'value=Menge', '--set', 'value=1'], 'value is given by --map and by --set.'],
    [['--set', 'metric=Tokens'], 'Metrics are database_size_bytes,'],
    [['--format', 'xml'], 'none of ndjson, json, csv'],
    [['--delimiter', '::'], 'not one character'],
    [['--map', 'value=Betrag'], 'no column "Betrag" for value. Its columns are: Kunde, Menge.'],
    [['--map', 'value=Menge'], 'has no column project_id, metric, timestamp. Its columns are: Kunde, Menge.\nName the columns with --map project_id=<column>'],
  ])('of import: %j is explained', async (options, message) => {
    const { code, stdout, stderr } = await dryRun(write('.csv', 'Kunde,Menge\np,1\n'), ...options)
    expect([code, stdout, stderr]).toEqual([1, '', expect.stringContaining(message)])
  })

  test.each([
    [join(directory.path, 'none.csv'), 'There is no file'],
    [directory.path, 'is a directory'],
    [write('.csv', Buffer.from('\ufeffproject_id', 'utf16le')), 'UTF-16'],
    [write('.json', '[1}'), 'on line 1 a bracket is closed that is not open'],
  ])('of import: the file %s is explained', async (file, message) => {
    expect(await dryRun(file)).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining(message) })
  })

  test.each([write('.ndjson', ''), write('.csv', 'project_id,metric,value,timestamp\n')])('of import: %s without rows is a warning', async (file) => {
    expect(await dryRun(file)).toEqual({
      code: 0,
      stdout: `${file}: 0 rows: 0 valid, 0 rejected\n`,
      stderr: `${file}: warning: there is no row in it, so nothing was sent.\n`,
    })
  })

  test.each([
    [['--metric', 'Tokens'], '--metric must be one of database_size_bytes,'],
    [['--value', '1e5'], '--value must be a decimal'],
    [['--at', 'yesterday'], '--at must be an RFC 3339'],
    [['--at', '2099-01-01T00:00:00Z'], '--at is more than 5 minutes after'],
    [['--project', 'a b'], '--project must be'],
    [['--id', ''], '--id must be'],
  ])('of emit: %j is named with what is allowed, before anything is sent', async (options, message) => {
    const args = ['emit', '--project', 'one', '--metric', 'ai_tokens', '--value', '1', ...options]
    const { code, stdout, stderr } = await runHere(args, { METERLINE_URL: 'http://127.0.0.1:1', METERLINE_ACCESS_TOKEN: 'mli_key' })
    expect([code, stdout, stderr]).toEqual([1, '', expect.stringContaining(message)])
  })
})
