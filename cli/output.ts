import { z } from 'zod'
import { parseExactJson } from '../metering/exact-json.ts'
import { NumberToken } from '../metering/quantity.ts'

/** Exit codes of every command. Scripts rely on them. */
export const EXIT = { ok: 0, error: 1, notAuthenticated: 2, projectNotLinked: 3, notFound: 4, permissionDenied: 5 } as const
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** An expected failure: its message is for the person at the terminal. */
export class CliError extends Error {
  readonly exitCode: ExitCode

  constructor(message: string, exitCode: ExitCode = EXIT.error) {
    super(message)
    this.name = 'CliError'
    this.exitCode = exitCode
  }
}

export interface OutputOptions {
  readonly json?: boolean | undefined
}

/** Prints a result: one JSON document for programs, lines for people. */
export function printResult({ json }: OutputOptions, document: unknown, lines: () => string[]): void {
  process.stdout.write(json === true ? `${JSON.stringify(document, null, 2)}\n` : `${lines().join('\n')}\n`)
}

/** The parsed JSON with each number as its text: as a `number` it would lose digits. */
export function numbersAsText(json: string): unknown {
  return textsOf(parseExactJson(json))
}

function textsOf(value: unknown): unknown {
  if (value instanceof NumberToken) return value.text
  if (Array.isArray(value)) return value.map(textsOf)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, textsOf(inner)]))
}

/** Prints what went wrong, without a stack trace, and sets the exit code. */
export function printError({ json }: OutputOptions, error: unknown): void {
  const message = messageOf(error)
  process.stderr.write(json === true ? `${JSON.stringify({ error: { message } })}\n` : `error: ${message}\n`)
  process.exitCode = error instanceof CliError ? error.exitCode : EXIT.error
}

/** An answer of an unexpected shape is reported in a sentence, not in the words of the schema. */
function messageOf(error: unknown): string {
  const place = error instanceof z.ZodError ? error.issues[0]?.path.join('.') : undefined
  if (place !== undefined) return `The server at METERLINE_URL is not a Meterline of this version (unexpected value for "${place}").`
  return error instanceof Error ? error.message : String(error)
}
