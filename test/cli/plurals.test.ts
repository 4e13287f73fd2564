import { expect, test } from 'vitest'
import { counted } from '../../metering/counted.ts'
import { readSources } from '../support/source-files.ts'

/** After a value these are verbs or a unit, and in these the word after the value is no count of it. */
const NO_PLURALS =
  /^(?:as|is|was|has|does|waits|matches|exists|contains|begins|belongs|redirects|names|gives|opens|signs|stops|its|needs|accepts|answers|this|thus|always|gets|adds|sets|had|ms)$/
/** A value, or a group, before a word in the plural: "${rows} rows", "${done} of ${all} steps", "${count} new events". */
const COUNT_BEFORE_PLURAL = /\$\{(?<value>[^{}]+)\} (?:(?:more|new|same|rejected|raw|daily|first) )?(?<word>[a-z]+s)\b/g
/** Constants, which are never 1. */
const CONSTANT = /^(?:[A-Z][A-Z_]+\b|Math\.round\([A-Z])/

test('counted groups the digits and has the singular for exactly 1', () => {
  expect([counted(0, 'row'), counted(1, 'row'), counted('1', 'row'), counted(1_500, 'row')]).toEqual(['0 rows', '1 row', '1 row', '1,500 rows'])
  expect([counted(1, 'entry', 'entries'), counted(2, 'entry', 'entries')]).toEqual(['1 entry', '2 entries'])
})

test('no message of the command line puts a value before a word that is always in the plural', () => {
  const found = readSources()
    .filter(({ module }) => module === 'cli')
    .flatMap(({ path, text }) =>
      [...text.matchAll(COUNT_BEFORE_PLURAL)]
        .filter(({ groups }) => !NO_PLURALS.test(groups?.['word'] ?? '') && !CONSTANT.test(groups?.['value'] ?? ''))
        .map(([phrase]) => `${path}: ${phrase}: write counted(…), metering/counted.ts`),
    )
  expect(found).toEqual([])
})
