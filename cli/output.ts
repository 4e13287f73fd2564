import { z } from 'zod'
import { CliError, EXIT } from './errors.ts'
import type { OutputOptions } from './session.ts'

/** Prints what a command composed itself: one JSON document for programs, lines for people. */
export function printResult({ json }: OutputOptions, document: unknown, lines: () => readonly string[]): void {
  process.stdout.write(json === true ? `${JSON.stringify(document, null, 2)}\n` : `${lines().join('\n')}\n`)
}

/** Prints an answer of the service: for programs as the service wrote it, with all digits of its numbers. */
export function printAnswer({ json }: OutputOptions, text: string, lines: () => readonly string[]): void {
  process.stdout.write(json === true ? `${text.trimEnd()}\n` : `${lines().join('\n')}\n`)
}

/** A note for the person at the terminal, beside the data: on stderr, and not for programs. */
export function printNote({ json }: OutputOptions, note: string): void {
  if (json !== true) process.stderr.write(onOwnLines(`${note}\n`))
}

/** Prints what went wrong, without a stack trace, and sets the exit code. */
export function printError({ json }: OutputOptions, thrown: unknown): void {
  const error = thrown instanceof CliError ? thrown : new CliError(messageOf(thrown))
  process.exitCode = error.exitCode === EXIT.ok ? EXIT.error : error.exitCode
  process.stderr.write(json === true ? `${jsonOf(error)}\n` : onOwnLines(textOf(error)))
}

const CLEAR_LINE = '\r\x1b[K'

/** On a terminal, over what a progress bar has drawn. */
function onOwnLines(text: string): string {
  return process.stderr.isTTY === true ? text.replace(/^(?!$)/gm, CLEAR_LINE) : text
}

function jsonOf({ message, code, next, requestId, retryable }: CliError): string {
  return JSON.stringify({ error: message, code, next: next ?? null, request_id: requestId ?? null, retryable })
}

function textOf({ message, next }: CliError): string {
  return `error: ${message}\n${next === undefined ? '' : `${next}\n`}`
}

/** An answer of an unexpected shape is reported in a sentence, not in the words of the schema. */
function messageOf(error: unknown): string {
  const place = error instanceof z.ZodError ? error.issues[0]?.path.join('.') : undefined
  if (place !== undefined)
    return `The server is not a Meterline of this version (unexpected value for "${place}"). Compare "meterline --version" with GET /version.`
  return error instanceof Error ? error.message : String(error)
}
