import { z } from 'zod'

/** Exit codes of every verb, as scripts rely on them. */
export const EXIT = { ok: 0, error: 1, notAuthenticated: 2, projectNotLinked: 3, notFound: 4, permissionDenied: 5 } as const
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** A failure that a verb foresees: its message is for the person at the terminal. */
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

/** Says what went wrong and sets the exit code. Never a stack trace: LOG_LEVEL=debug shows causes in the log. */
export function printError({ json }: OutputOptions, error: unknown): void {
  const message = messageOf(error)
  process.stderr.write(json === true ? `${JSON.stringify({ error: { message } })}\n` : `error: ${message}\n`)
  process.exitCode = error instanceof CliError ? error.exitCode : EXIT.error
}

/** What is not of the shape that a verb reads is told in a sentence, and not in a schema's own words. */
function messageOf(error: unknown): string {
  const place = error instanceof z.ZodError ? error.issues[0]?.path.join('.') : undefined
  if (place !== undefined) return `What answered is not a Meterline of this version (it said something else of "${place}"). Look at METERLINE_URL.`
  return error instanceof Error ? error.message : String(error)
}
