import { afterEach, expect, test } from 'vitest'
import { flexible, plainTable } from '../../cli/plain-table.ts'

const { isTTY, columns } = process.stdout
afterEach(() => Object.assign(process.stdout, { isTTY, columns }))

const onTerminal = (width: number) => Object.assign(process.stdout, { isTTY: true, columns: width })
const widthsOf = (table: string) => [...new Set(table.split('\n').map(({ length }) => length))]

const HEAD = ['project', flexible('name'), 'value', 'created', flexible('message')]
const ROWS = [
  [
    'p_0123456789abcdef',
    'A name of a project that is rather long',
    '1,234,567,890',
    '2026-01-31T12:34:56.789Z',
    'There is no metric of this name, and so it is rejected.',
  ],
  ['p_1', 'Short', '2', '2026-02-01T00:00:00Z', 'ok'],
]

test('on a terminal that is too narrow, only instants and flexible columns are shortened, and each row stays a line', () => {
  onTerminal(100)
  const table = plainTable(HEAD, ROWS, [2])
  expect(widthsOf(table)).toEqual([100])
  expect(table.split('\n')).toHaveLength(5)
  expect(table).toContain('p_0123456789abcdef')
  expect(table).toContain('1,234,567,890')
  expect(table).toContain('2026-01-31T12:34Z')
  expect(table).toMatch(/A name of.*… │/)
})

test('columns that may not be shortened are whole, however narrow the terminal is', () => {
  onTerminal(20)
  const table = plainTable(HEAD, ROWS, [2])
  expect(table).toContain('│ p_0123456789abcdef │ A name … │ 1,234,567,890 │ 2026-01-31T12:34Z │ There i… │')
})

test('on a terminal that is wide enough, and in a file or a pipe, every cell is whole', () => {
  onTerminal(200)
  const wide = plainTable(HEAD, ROWS, [2])
  expect(wide).toContain('2026-01-31T12:34:56.789Z')
  Object.assign(process.stdout, { isTTY: false, columns: 20 })
  expect(plainTable(HEAD, ROWS, [2])).toBe(wide)
})

test('control characters of a cell do not reach the terminal', () => {
  expect(plainTable(['id'], [['a\u001b[2Jb\u0007']])).toContain('a\ufffd[2Jb\ufffd')
})
