import { expect, test } from 'vitest'
import { csvLine, guardFormulas } from '../../../aggregator/exports/export-csv.ts'

/** As docs/exports.md says. */
function undoGuard(text: string): string {
  return text.replace(/^'(['"]*[\t\r\n])/, '$1').replaceAll(/(^|[;\t\r\n])'(['"]*[=+\-@＝＋－＠])/g, '$1$2')
}

test('the guard puts an apostrophe in front of whatever a spreadsheet could read as a formula, and nowhere else', () => {
  for (const [text, guarded] of [
    ['=1+2', "'=1+2"],
    ['＝1', "'＝1"],
    ['＋1', "'＋1"],
    ['－1', "'－1"],
    ['＠x', "'＠x"],
    ["'=1", "''=1"],
    ['a;=1+2;b', "a;'=1+2;b"],
    ['a;"=1"', `a;'"=1"`],
    ['a\n=1', "a\n'=1"],
    ['\t=1', "'\t'=1"],
    ['\r', "'\r"],
    ['plain', 'plain'],
    ['a=1', 'a=1'],
    ["it's; fine", "it's; fine"],
    ["'quoted'", "'quoted'"],
  ] as const)
    expect([text, guardFormulas(text)]).toEqual([text, guarded])
})

test('the guard can be undone for every text: all texts of up to six of the characters that it looks at', () => {
  const alphabet = ['=', '＠', ';', '\t', "'", '"', 'a']
  let texts = ['']
  const guarded = new Set<string>()
  let count = 0
  for (let length = 0; length <= 6; length += 1) {
    for (const text of texts) if (undoGuard(guardFormulas(text)) !== text) throw new Error(JSON.stringify(text))
    for (const text of texts) guarded.add(guardFormulas(text))
    count += texts.length
    texts = texts.flatMap((text) => alphabet.map((character) => text + character))
  }
  expect(guarded.size).toBe(count)
})

test('a key is never guarded, and nothing is with guard=off', () => {
  expect(csvLine([{ key: '-1' }, '-1', null], { isGuarded: true, hasBom: false })).toBe(`"-1","'-1",\r\n`)
  expect(csvLine([{ key: '-1' }, '-1"', null], { isGuarded: false, hasBom: false })).toBe(`"-1","-1""",\r\n`)
})
