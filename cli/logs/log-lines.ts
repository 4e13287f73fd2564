import type { AnswerOf } from '../../contract/operation.ts'
import type { LIST_SERVICE_LOGS } from '../../contract/service-logs.ts'
import { parseExactJson, stringifyExactJson } from '../../metering/exact-json.ts'
import type { OutputOptions } from '../session.ts'

export type LogsAnswer = AnswerOf<typeof LIST_SERVICE_LOGS>

/** The lines of an answer: for programs each as the service wrote it, with its process; else as text. */
export function linesOf({ json }: OutputOptions, { logs, process }: LogsAnswer, text: string): string[] {
  if (json !== true) return logs.map(textOf)
  const { logs: written } = parseExactJson(text) as { logs: readonly object[] }
  return written.map((line) => stringifyExactJson({ ...line, process: { host: process.host, pid: process.pid } }))
}

/** A place where lines may be missing, in the stream of lines for programs. */
export function gapLine(gap: string, { host, pid, started_at }: LogsAnswer['process']): string {
  return JSON.stringify({ gap, process: { host, pid, started_at } })
}

function textOf({ time, level, source, message, fields }: LogsAnswer['logs'][number]): string {
  const shown = Object.entries(fields).map(([name, value]) => `${name}=${shownValue(value)}`)
  return visible([time.padEnd(TIME_CHARACTERS), level.toUpperCase().padEnd(LEVEL_CHARACTERS), source.padEnd(SOURCE_CHARACTERS), message, ...shown].join(' '))
}

const TIME_CHARACTERS = 24
const LEVEL_CHARACTERS = 5
const SOURCE_CHARACTERS = 9

function shownValue(value: LogsAnswer['logs'][number]['fields'][string]): string {
  if (Array.isArray(value)) return value.map(shownValue).join(',')
  return typeof value === 'string' && /[\s"]/.test(value) ? JSON.stringify(value) : String(value)
}

/** A line is one line, and cannot move the cursor of a terminal. */
function visible(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]/gu, '�')
}
