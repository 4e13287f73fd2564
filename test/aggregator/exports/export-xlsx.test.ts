import fc from 'fast-check'
import { readXlsx } from 'hucre'
import { describe, expect, test } from 'vitest'
import { workbookFile } from '../../../aggregator/exports/export-xlsx.ts'
import { escapeText, fitsDouble } from '../../../aggregator/exports/xlsx-cells.ts'
import { EXPORT_COLUMNS } from '../../../contract/export-formats.ts'
import type { Manifest } from '../../../contract/export-manifest.ts'
import { fieldsOf, row } from '../../../sql/tab-separated.ts'

const MANIFEST: Manifest = {
  ...{
    generator: 'meterline 0',
    format: 'xlsx',
    focus_version: null,
    guard: null,
    bom: null,
    partner_id: 'ps_1',
    partners: 1,
    month: '2026-01',
    from: '2026-01-01',
    to: '2026-01-31',
  },
  ...{ status: 'closed', statement_sha256: 'ab'.repeat(32), as_of: '2026-02-03T00:00:00.000Z', rows: 0 },
  totals: [{ line: 'usage', metric: 'ai_tokens', rows: 2, value: '12345678901234567890' }],
}

/** Any UTF-16 units, lone surrogates among them. */
const ANY_TEXT = fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 1, maxLength: 20 }).map((units) => String.fromCharCode(...units))

function lineOf(cells: Partial<Record<(typeof EXPORT_COLUMNS)[number], string>>): string {
  return row(EXPORT_COLUMNS.map((column) => cells[column] ?? null)).slice(0, -1)
}

async function* inGroups(lines: readonly string[], size = lines.length): AsyncIterable<string[]> {
  for (let at = 0; at < lines.length; at += size) yield lines.slice(at, at + size)
}

async function write(lines: readonly string[], { groups = lines.length, sheetRowsMax = 100_000 } = {}): Promise<Buffer> {
  return Buffer.concat(await allOf(workbookFile(inGroups(lines, groups), { ...MANIFEST, rows: lines.length }, sheetRowsMax)))
}

async function allOf(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const all: Uint8Array[] = []
  for await (const chunk of chunks) all.push(chunk)
  return all
}

async function read(file: Buffer) {
  const { sheets } = await readXlsx(file)
  return sheets.map(({ name, rows, freezePane }) => ({ name, rows, freezePane }))
}

describe('texts of a workbook', () => {
  test('every text is read back as it was: control characters, lone surrogates, blanks, and what looks like an escape', async () => {
    const awkward = [
      '=1+2',
      '-1',
      ' a ',
      '\t',
      'a\r\nb',
      '\0',
      '\ud800',
      '\udc00a',
      '\ufffe',
      '_x000D_',
      '_x000d_x000D_',
      '_x005F\u0001',
      '&lt;',
      '<&>"\'',
      '雪😀',
      '\u2028',
    ]
    const pieces = fc.array(fc.constantFrom('_', 'x', '0', '005F', '_x', '000D', '\r', '\u0001', '\ud83d', '\ude00', ' ', '&', '<', 'a'), {
      minLength: 1,
      maxLength: 12,
    })
    const random = fc.sample(
      fc.oneof(
        pieces.map((each) => each.join('')),
        ANY_TEXT,
      ),
      { numRuns: 500 },
    )
    const texts = [...awkward, ...random]
    const [rows] = await read(await write(texts.map((name) => lineOf({ partner_id: 'p', name }))))
    expect(rows?.rows.slice(1).map((cells) => cells[EXPORT_COLUMNS.indexOf('name')])).toEqual(texts)
  })

  test('no character that XML 1.0 forbids is in a file', () => {
    fc.assert(fc.property(ANY_TEXT, (text) => !/[^\t\n\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u.test(escapeText(text))))
  })

  test('a line of the store is read back as the fields that it was written from', () => {
    fc.assert(
      fc.property(fc.array(fc.option(ANY_TEXT), { minLength: 1 }), (fields) => {
        expect(fieldsOf(row(fields).slice(0, -1))).toEqual(fields)
      }),
    )
  })
})

describe('numbers of a workbook', () => {
  const digits = (max: number) => fc.bigInt({ min: 0n, max: 10n ** BigInt(max) - 1n }).map(String)

  test('P6: a number is a number exactly when a double shows all its digits, and otherwise a text with all of them', async () => {
    const decimals = fc.tuple(fc.constantFrom('', '-'), digits(29), digits(9)).map(([sign, integer, fraction]) => {
      const trimmed = fraction.replace(/0+$/, '')
      const text = trimmed === '' ? integer : `${integer}.${trimmed}`
      return text === '0' ? text : sign + text
    })
    const values = [
      '0',
      '0.1',
      '-3.5',
      '0.000000001',
      '123456789012345',
      '9007199254740993',
      '999999999999999.9',
      '1000000000000000000000',
      ...fc.sample(decimals, 1_000),
    ]
    const [rows] = await read(await write(values.map((value) => lineOf({ partner_id: 'p', value, events: '3' }))))
    const cells = rows?.rows.slice(1).map((each) => each[EXPORT_COLUMNS.indexOf('value')])
    expect(cells).toEqual(values.map((value) => (fitsDouble(value) ? Number(value) : value)))
    expect(rows?.rows[1]?.[EXPORT_COLUMNS.indexOf('events')]).toBe(3)
    for (const value of values) if (fitsDouble(value)) expect([value, plain(Number(value))]).toEqual([value, value])
    expect(values.filter(fitsDouble).length).toBeGreaterThan(7)
  })

  /** The shortest text of a double, without an exponent. */
  function plain(double: number): string {
    const [mantissa = '', exponent] = String(double).split('e')
    if (exponent === undefined) return mantissa
    return exponent.startsWith('-') ? double.toFixed(9).replace(/0+$/, '') : BigInt(double).toString()
  }
})

describe('sheets of a workbook', () => {
  const lines = Array.from({ length: 25 }, (_, index) => lineOf({ partner_id: 'p', project_id: `-${index}`, value: String(index) }))

  test('the first sheet has the rows below a frozen header, and the second says what they are and how to verify them', async () => {
    const [rows, verification] = await read(await write(lines))
    expect(rows).toMatchObject({ name: 'Rows', freezePane: { rows: 1 } })
    expect(rows?.rows[0]).toEqual([...EXPORT_COLUMNS])
    expect(rows?.rows).toHaveLength(26)
    const texts = new Map(verification?.rows.map(([label, text]) => [label, text]))
    expect([verification?.name, texts.get('statement_sha256')]).toEqual(['How to verify', MANIFEST.statement_sha256])
    expect(texts.get('content')).toContain('2026-01')
    expect(texts.get('compute it')).toContain('meterline export --month 2026-01 --partner ps_1 --format ndjson')
    expect(texts.get('manifest')).toContain('GET /admin/v1/exports/manifest?month=2026-01&partner=ps_1&format=xlsx')
    expect(texts.get('numbers')).toContain('text cell')
    expect(verification?.rows.at(-1)).toEqual(['usage', 'ai_tokens', 2, '12345678901234567890'])
  })

  test('rows that do not fit on one sheet continue on further ones, each with the header, in the same order', async () => {
    const sheets = await read(await write(lines, { sheetRowsMax: 11 }))
    expect(sheets.map(({ name, rows }) => [name, rows.length])).toEqual([
      ['Rows', 11],
      ['How to verify', expect.any(Number)],
      ['Rows 2', 11],
      ['Rows 3', 6],
    ])
    const rows = sheets.filter(({ name }) => name.startsWith('Rows')).flatMap(({ rows: [, ...each] }) => each)
    expect(rows.map((cells) => cells[EXPORT_COLUMNS.indexOf('project_id')])).toEqual(lines.map((_, index) => `-${index}`))
    expect((await read(await write(lines, { sheetRowsMax: 26 }))).map(({ name }) => name)).toEqual(['Rows', 'How to verify'])
    expect((await read(await write([]))).map(({ name, rows: each }) => [name, each.length])).toEqual([
      ['Rows', 1],
      ['How to verify', expect.any(Number)],
    ])
  })

  test('the same rows give the same bytes, however the store groups them, and whatever the time zone', async () => {
    const file = await write(lines)
    expect((await write(lines, { groups: 3 })).equals(file)).toBe(true)
    const zone = process.env['TZ']
    process.env['TZ'] = 'Pacific/Kiritimati'
    try {
      expect((await write(lines)).equals(file)).toBe(true)
    } finally {
      if (zone === undefined) delete process.env['TZ']
      else process.env['TZ'] = zone
    }
  })
})

describe('the stream of a workbook', () => {
  const line = lineOf({ partner_id: 'p', name: 'x'.repeat(100) })

  test('rows are read only as fast as the file is, and the reading ends when its reader stops', async () => {
    let groups = 0
    let isClosed = false
    async function* endless(): AsyncIterable<string[]> {
      try {
        for (;;) {
          groups += 1
          yield Array.from({ length: 1_000 }, () => line)
        }
      } finally {
        isClosed = true
      }
    }
    let bytes = 0
    for await (const chunk of workbookFile(endless(), { ...MANIFEST, rows: 10_000_000 })) {
      bytes += chunk.length
      if (bytes > 100_000) break
    }
    expect(isClosed).toBe(true)
    // A line is about 400 bytes of XML, which are compressed at least by 10: these are the lines of some megabytes, and not of all rows.
    expect(groups).toBeLessThan(100)
  })

  test.each([
    ['fewer rows than the manifest says', 3, [line, line]],
    ['more rows than the manifest says', 1, [line, line]],
    ['a line that is cut', 1, [line.slice(0, 20)]],
  ])('a file with %s throws at its end', async (_, rows, lines) => {
    await expect(allOf(workbookFile(inGroups(lines), { ...MANIFEST, rows }))).rejects.toThrow('The store delivered')
  })

  test('an error of the store is thrown to the reader of the file', async () => {
    async function* broken(): AsyncIterable<string[]> {
      yield [line]
      throw new Error('the store is gone')
    }
    await expect(allOf(workbookFile(broken(), { ...MANIFEST, rows: 9 }))).rejects.toThrow('the store is gone')
  })
})
