import { Readable } from 'node:stream'
import type { StatementLinesJson } from '../../aggregator/statements/lines-as-json.ts'
import type { Statement } from '../../aggregator/statements/read-statements.ts'
import { isInStatement, type MonthTotal } from '../../aggregator/statements/totals.ts'
import type { AnswerOf } from '../../contract/operation.ts'
import type { LIST_STATEMENTS } from '../../contract/statements.ts'
import { stringifyExactJson } from '../../metering/exact-json.ts'
import { NumberToken } from '../../metering/quantity.ts'
import { formatTimestamp, instantOrNull } from '../../metering/timestamp.ts'
import type { byteDaysAnswer } from './byte-days.ts'

/** Whether `unbilled` is shown. It describes the present, whereas everything else in a closed statement never changes. */
export type Shown = 'with unbilled' | 'as closed'

function headAnswer({ month, header, asOfMs }: Statement) {
  return {
    month,
    status: header === undefined ? ('open' as const) : ('closed' as const),
    closed_at: header === undefined ? null : formatTimestamp(header.closedMs),
    as_of: instantOrNull(asOfMs),
    sha256: header?.sha256 ?? null,
  }
}

function totalAnswer({ metric, kind, unit, value, peakDay, unbilled }: MonthTotal, shown: Shown) {
  return {
    ...{ metric, kind, unit, value: new NumberToken(value), peak_day: peakDay },
    ...(shown === 'with unbilled' ? { unbilled: new NumberToken(unbilled) } : {}),
  }
}

export function statementsAnswer(statements: readonly Statement[]): AnswerOf<typeof LIST_STATEMENTS> {
  return {
    statements: statements.map((statement) => ({
      statement: headAnswer(statement),
      totals: statement.totals.map((total) => totalAnswer(total, 'with unbilled')),
    })),
  }
}

export interface StatementParts extends StatementLinesJson {
  /** Of an answer with byte-days. */
  readonly byteDays: ReturnType<typeof byteDaysAnswer> | undefined
}

/** Streams the whole answer, because a partner may have hundreds of thousands of lines. The stream breaks off when the store fails. */
export function statementStream(statement: Statement, parts: StatementParts, shown: Shown): Readable {
  return Readable.from(chunksOf(statement, parts, shown))
}

async function* chunksOf(statement: Statement, { projects, adjustments, byteDays }: StatementParts, shown: Shown): AsyncIterable<Buffer | string> {
  const totals = totalsOf(statement, shown).map((total) => totalAnswer(total, shown))
  yield `{"statement":${stringifyExactJson(headAnswer(statement))},"totals":${stringifyExactJson(totals)},"projects":[`
  yield* asElements(projects)
  yield '],"adjustments":['
  yield* asElements(adjustments)
  yield byteDays === undefined ? ']}' : `],"byte_days":${stringifyExactJson(byteDays)}}`
}

/** A metric that was not in the month when it was closed is listed while something of it is unbilled, and so not as closed. */
function totalsOf({ header, totals }: Statement, shown: Shown): readonly MonthTotal[] {
  if (shown === 'with unbilled' || header === undefined) return totals
  return totals.filter(({ metric }) => isInStatement(header, metric))
}

/** Turns JSON objects, one per line, into the elements of an array. JSON escapes a line feed within a text, so each line feed ends an object. */
async function* asElements(lines: AsyncIterable<Uint8Array>): AsyncIterable<Buffer | string> {
  let comma = ''
  for await (const chunk of lines) {
    if (chunk.length === 0) continue
    yield comma
    const bytes = Buffer.from(chunk)
    const ends = bytes.at(-1) === LINE_FEED
    const elements = ends ? bytes.subarray(0, -1) : bytes
    for (let at = elements.indexOf(LINE_FEED); at !== -1; at = elements.indexOf(LINE_FEED, at + 1)) elements[at] = COMMA
    yield elements
    comma = ends ? ',' : ''
  }
}

const LINE_FEED = 0x0a
const COMMA = 0x2c
