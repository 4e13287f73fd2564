import { readFileSync } from 'node:fs'
import { parse, TomlError } from 'smol-toml'
import type { z } from 'zod'
import { counted } from '../../metering/counted.ts'
import { CliError, EXIT, usageError } from '../errors.ts'
import { LineNumbers } from './line-numbers.ts'
import { allowedKeysAt, ConfigurationFile } from './schema.ts'

const PROBLEMS_REPORTED_MAX = 20

/** Reads and validates the whole file, before anything is sent. Throws CliError, which names every mistake with its line. */
export function readConfigurationFile(file: string): ConfigurationFile {
  const text = readText(file)
  const parsed = ConfigurationFile.safeParse(parseToml(file, text))
  if (parsed.success) return parsed.data
  const lines = new LineNumbers(text)
  const problems = parsed.error.issues
    .flatMap((issue) => describe(issue, lines))
    .toSorted((one, other) => one.line - other.line)
    .map(({ line, text: problem }) => (line === 0 ? problem : `line ${line}: ${problem}`))
  const more = problems.length - PROBLEMS_REPORTED_MAX
  throw invalid(file, problems.length, [...problems.slice(0, PROBLEMS_REPORTED_MAX), ...(more > 0 ? [`and ${more} more`] : [])])
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8').replace(/^\uFEFF/, '')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    throw usageError(`The file ${file} cannot be read (${code}).`, 'Write one with "meterline config export", or check the path.')
  }
}

function parseToml(file: string, text: string): unknown {
  try {
    return parse(text)
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    const [reason = ''] = error.message.replace('Invalid TOML document: ', '').split('\n')
    throw invalid(file, 1, [`line ${error.line}: ${reason}`])
  }
}

function invalid(file: string, count: number, problems: readonly string[]): CliError {
  return new CliError(`${file} is not valid (${counted(count, 'error')}):\n${problems.map((each) => `  ${each}`).join('\n')}`, EXIT.error, {
    code: 'INVALID_FILE',
    next: 'Correct the file; nothing was sent. docs/configuration-as-a-file.md describes it.',
  })
}

interface Problem {
  /** 0 if it is not known. */
  readonly line: number
  readonly text: string
}

function describe(issue: z.core.$ZodIssue, lines: LineNumbers): Problem[] {
  if (issue.code !== 'unrecognized_keys') return [problemAt(issue.path, lines, issue.message)]
  const allowed = allowedKeysAt(issue.path).join(', ')
  return issue.keys.map((key) => problemAt([...issue.path, key], lines, `unknown key; allowed are ${allowed}`))
}

function problemAt(path: readonly PropertyKey[], lines: LineNumbers, message: string): Problem {
  // Of an entry of a list, the line says which.
  const name = path.filter((each) => typeof each === 'string').join('.')
  return { line: lines.of(path) ?? 0, text: `${name}: ${message}` }
}
