import { expect, test } from 'vitest'
import { retryNote } from '../../cli/retry-note.ts'
import { readSources } from '../support/source-files.ts'

test.each([
  [30_000, 'for up to 30 seconds.'],
  [60_000, 'for up to 1 minute.'],
  [900_000, 'for up to 15 minutes.'],
])('a note about a repeated request says that it goes on for %i ms', (giveUpAfterMs, span) => {
  expect(retryNote({ message: 'There was no answer.' }, giveUpAfterMs)).toBe(`There was no answer. Trying again, ${span}`)
})

test('every command that repeats requests writes this note', () => {
  const repeating = readSources().filter(({ module, text }) => module === 'cli' && /\bonRetry: \(/.test(text))
  expect(repeating.map(({ path }) => path)).toEqual(expect.arrayContaining(['cli/collect/run-collector.ts', 'cli/commands/emit.ts', 'cli/commands/import.ts']))
  for (const { path, text } of repeating) if (!/onRetry: \(problem: RetryProblem\) => void/.test(text)) expect(text, path).toContain('retryNote(')
})
