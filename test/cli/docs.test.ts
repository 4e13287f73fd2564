import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { paintWith, usesColours } from '../../cli/colours.ts'
import { renderMarkdown } from '../../cli/documentation/render-markdown.ts'
import { readTopics } from '../../cli/documentation/topics.ts'
import { runHere } from '../support/clients/run-here.ts'

const DOCS = join(import.meta.dirname, '../../docs')
const ESCAPE = '\u001b'
const plain = { paint: paintWith(false), describeLink: () => undefined }

describe('the command "docs"', () => {
  test('lists every topic with its title, those of folders too', async () => {
    const { code, stdout, stderr } = await runHere(['docs'])
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/^billing {2,}Billing: months, statements, corrections$/m)
    expect(stdout).toMatch(/^operating {2,}In production$/m)
    expect(stdout).toMatch(/^operating\/kafka {2,}Running with Kafka$/m)
    const { topics } = JSON.parse((await runHere(['--json', 'docs'])).stdout)
    expect(topics).toContainEqual({ topic: 'design/closing', title: 'How totals are kept and months are closed' })
  })

  test('--json prints the Markdown of a topic as it is in its file', async () => {
    const { stdout } = await runHere(['--json', 'docs', 'operating/kafka'])
    expect(JSON.parse(stdout)).toEqual({
      topic: 'operating/kafka',
      title: 'Running with Kafka',
      markdown: readFileSync(join(DOCS, 'operating/kafka.md'), 'utf8'),
    })
  })

  test('finds a topic by its last part, by its file name and whatever the case', async () => {
    for (const name of ['kafka', 'operating/kafka', 'docs/operating/kafka.md', 'Operating/Kafka'])
      expect((await runHere(['docs', name])).stdout).toMatch(/^RUNNING WITH KAFKA$/m)
  })

  test.each([
    ['kafak', 'operating/kafka'],
    ['bilings', 'billing'],
    ['statements', 'billing'],
    ['backups', 'operating/backup'],
  ])('a wrong topic, "%s", exits with 4 and names the closest ones', async (given, closest) => {
    const { code, stdout, stderr } = await runHere(['docs', given])
    expect([code, stdout]).toEqual([4, ''])
    expect(stderr).toMatch(new RegExp(`There is no topic "${given}".*\\nClosest are: [^.]*${closest}`))
  })

  test('prints no escape codes where stdout is no terminal, unless CLICOLOR_FORCE is set', async () => {
    expect((await runHere(['docs', 'billing'])).stdout).not.toContain(ESCAPE)
    expect((await runHere(['docs', 'billing'], { CLICOLOR_FORCE: '1' })).stdout).toContain(`${ESCAPE}[1mBILLING`)
    expect((await runHere(['docs', 'billing'], { CLICOLOR_FORCE: '1', NO_COLOR: '1' })).stdout).not.toContain(ESCAPE)
  })
})

test.each([
  [{}, true, true],
  [{}, false, false],
  [{ NO_COLOR: '1' }, true, false],
  [{ NO_COLOR: '' }, true, true],
  [{ CLICOLOR: '0' }, true, false],
  [{ CLICOLOR_FORCE: '0' }, false, false],
  [{ CLICOLOR_FORCE: '1' }, false, true],
  [{ CLICOLOR: '0', CLICOLOR_FORCE: '1' }, false, true],
  [{ TERM: 'dumb' }, true, false],
])('with %j and a terminal: %s, colours are used: %s', (environment, isTTY, expected) => {
  expect(usesColours(environment, { isTTY })).toBe(expected)
})

describe('rendering', () => {
  test.each([60])('at %i columns no word of any page is lost, and no line of prose or of a table is longer', (columns) => {
    for (const { name, markdown } of readTopics()) {
      const rendered = renderMarkdown(markdown, { ...plain, columns })
      const code = new Set([...markdown.matchAll(/^ *```.*\n([\s\S]*?)^ *```/gm)].flatMap(([, block = '']) => block.split('\n').map((line) => line.trim())))
      const long = rendered.split('\n').filter((line) => line.length > columns && !code.has(line.trim()))
      expect([name, long.filter((line) => line.includes('│') || line.trim().includes(' '))]).toEqual([name, []])
      expect([name, lettersOf(rendered)]).toEqual([name, lettersOf(markdown.replaceAll(/<!--[\s\S]*?-->/g, ''))])
    }
  })

  test('headings, lists, code, tables and links have their forms', () => {
    const page = [
      ...['# Title', '', 'A [page](other.md) and `code`,', 'continued.', '', '- one', '  more of one', '  - two', '1. first', ''],
      ...['```sh', 'npm  ci', '', '  # indented', '```', '', '| a | b \\| c |', '| --- | --- |', '| **1** | `2` |', '', '> said', '<!-- hidden -->'],
    ]
    const options = { columns: 60, paint: paintWith(false), describeLink: (target: string) => `see ${target}` }
    expect(renderMarkdown(page.join('\n'), options).split('\n')).toEqual([
      ...['TITLE', '', 'A page (see other.md) and code, continued.', '', '• one more of one', '  • two', '1. first', ''],
      ...['    npm  ci', '', '      # indented', ''],
      ...['┌───┬───────┐', '│ a │ b | c │', '├───┼───────┤', '│ 1 │ 2     │', '└───┴───────┘', '', '│ said'],
    ])
  })
})

/** The letters and digits in their order, as a bag for each page: wrapped cells of a table are interleaved. Links are left out. */
function lettersOf(text: string): string {
  const visible = text.replaceAll(/^\s*```\w*$/gm, '').replaceAll(/\]\([^)]*\)/g, '')
  const letters = visible.toLowerCase().match(/[\p{L}\p{N}]/gu) ?? []
  return [...letters].sort().join('')
}
