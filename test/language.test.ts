import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildProgram } from '../cli/program.ts'
import { ERRORS } from '../contract/errors.ts'
import { startTestService, type TestService } from './support/worlds/test-service.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** Words that a reader would have to learn here, and what to write instead. */
const PRIVATE_WORDS: readonly (readonly [pattern: RegExp, instead: string])[] = [
  [/\b(?:is|are|was|were|be|been) told\b|\btold apart\b/i, 'is logged, is reported, is distinguished'],
  [/\btell(?:s|ing)? (?:apart|duplicates|whether|later)\b/i, 'detect, distinguish, show'],
  [/\btaken? (?:a log )?anew\b|\banew\b/i, 'again'],
  [/\bretakes?\b/i, 'acquire the lease again'],
  [/\bmend(?:s|ed|ing)?\b/i, 'repair'],
  [/\bfor ever\b|\bfor good\b/i, 'permanently'],
  [/\bby itself\b|\bby themselves\b/i, 'automatically'],
  [/\bat once\b/i, 'immediately, at the same time'],
  [/\btakes? turns?\b|\bwait(?:s|ing)? for (?:their|its) turn\b/i, 'waits for a slot, runs one at a time'],
  [/\bwhoever\b/i, 'the caller, the owner'],
  [/\bnobody\b/i, 'no caller, no process'],
  [/\blet in\b/i, 'enabled'],
  [/\bpassed on\b|\bstray\b/i, 'forwarded, misrouted'],
  [/\brefus(?:e|es|ed|ing|al|als)\b/i, 'reject, rejected, rejection'],
  [/\bkept days?\b|\bkept rows?\b/i, 'materialized days, staged rows'],
  [/\bmanners\b/i, 'HTTP behaviour'],
  [/\bhorizon\b/i, 'completeness'],
  [/\bstands? (?:in|on|there|beside)\b/i, 'is stored in, is on'],
  [/\bsettled?\b|\bsettling\b/i, 'reconcile, reconciled'],
  [/\bask(?:s|ed|ing)? again\b/i, 'try again, repeat the call'],
  [/\bliving (?:project|secret|owner)/i, 'existing, valid, live'],
]

/** Code, paths and keys of JSON are names that stay. */
function prose(text: string): string {
  return text.replaceAll(/`[^`]*`/g, '').replaceAll(/"meterline [^"]*"/g, '')
}

function privateWordsIn(place: string, text: string): string[] {
  return PRIVATE_WORDS.flatMap(([pattern, instead]) => {
    const found = pattern.exec(prose(text))
    return found === null ? [] : [`${place}: "${found[0]}" in "${text.slice(0, 160)}" (write: ${instead})`]
  })
}

test('the list of private words finds such a word, also in the middle of a sentence', () => {
  expect(privateWordsIn('here', 'The month is closed for good.')).toHaveLength(1)
  expect(privateWordsIn('here', 'The month is closed permanently; see `refused_by_store`.')).toEqual([])
})

test('error messages use no private words', () => {
  expect(Object.entries(ERRORS).flatMap(([code, { message }]) => privateWordsIn(code, message))).toEqual([])
})

test('the help of the command line uses no private words', async () => {
  const texts = (command: Command, path: string): [string, string][] => [
    [path, command.description()],
    ...command.options.map(({ flags, description }): [string, string] => [`${path} ${flags}`, description]),
    ...command.commands.flatMap((each) => texts(each, `${path} ${each.name()}`)),
  ]
  const all = texts(await buildProgram({}), 'meterline')
  expect(all.length).toBeGreaterThan(40)
  expect(all.flatMap(([place, text]) => privateWordsIn(place, text))).toEqual([])
})

test('the pages of the dashboard use no private words', () => {
  const folder = join(ROOT, 'dashboard')
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => /\.tsx?$/.test(path))
  const lines = files.flatMap((path) =>
    readFileSync(join(folder, path), 'utf8')
      .split('\n')
      .map((line): [string, string] => [path, line]),
  )
  expect(lines.length).toBeGreaterThan(1_000)
  expect(lines.flatMap(([path, line]) => privateWordsIn(path, line))).toEqual([])
})

test('README, ARCHITECTURE, CONTRIBUTING, CHANGELOG and docs use no private words, and their lines have at most 120 characters', () => {
  const documents = [...readdirSync(ROOT), ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' }).map((path) => join('docs', path))]
  const lines = documents
    .filter((path) => path.endsWith('.md'))
    .flatMap((path) => proseLines(readFileSync(join(ROOT, path), 'utf8')).map((line): [string, string] => [path, line]))
  expect(lines.length).toBeGreaterThan(300)
  expect(lines.filter(([, line]) => line.length > LINE_CHARACTERS_MAX && !line.startsWith('|')).map(([path, line]) => `${path}: ${line}`)).toEqual([])
  expect(lines.flatMap(([path, line]) => privateWordsIn(path, line))).toEqual([])
})

const LINE_CHARACTERS_MAX = 120

/** Without the blocks of code, which show what a program prints. */
function proseLines(markdown: string): string[] {
  return markdown.replaceAll(/^```[\s\S]*?^```/gm, '').split('\n')
}

describe('the OpenAPI document', () => {
  let tested: TestService
  beforeAll(async () => {
    tested = await startTestService()
  })
  afterAll(() => tested.stop())

  test('uses no private words in its summaries and descriptions', async () => {
    const found: [string, string][] = []
    const visit = (place: string, value: unknown) => {
      if (typeof value !== 'object' || value === null) return
      for (const [key, inner] of Object.entries(value)) {
        if (key === 'example' || key === 'examples') continue
        if ((key === 'summary' || key === 'description') && typeof inner === 'string') found.push([`${place}.${key}`, inner])
        else visit(`${place}.${key}`, inner)
      }
    }
    visit('openapi', (await tested.client.call('GET', '/openapi.json')).body)
    expect(found.length).toBeGreaterThan(200)
    expect(found.flatMap(([place, text]) => privateWordsIn(place, text))).toEqual([])
  })
})
