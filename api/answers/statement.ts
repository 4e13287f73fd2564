import { Readable } from 'node:stream'
import { z } from 'zod'
import type { StatementLinesJson } from '../../aggregator/statements/lines-as-json.ts'
import type { Statement } from '../../aggregator/statements/read-statements.ts'
import type { MonthTotal } from '../../aggregator/statements/totals.ts'
import { Day, ExactNumber, Instant, Status } from '../../contract/fields.ts'
import { stringifyExactJson } from '../../metering/exact-json.ts'
import { METRIC_NAMES } from '../../metering/metrics.ts'
import { NumberToken } from '../../metering/quantity.ts'
import { formatTimestamp, instantOrNull } from '../../metering/timestamp.ts'

const StatementHead = z.object({
  month: z.string(),
  status: z.enum(['open', 'closed']),
  closed_at: Instant.nullable(),
  as_of: Instant.nullable(),
  sha256: z.string().nullable().meta({ description: 'Over the NDJSON export of the closed statement.' }),
})

const Total = z.object({
  metric: z.string(),
  kind: z.enum(['peak', 'cumulative']),
  unit: z.string(),
  value: ExactNumber,
  peak_day: Day.nullable(),
  unbilled: ExactNumber.optional().meta({ description: 'Metered by now and on no statement yet. The only part of a closed statement that changes.' }),
})

const ProjectLine = z.object({
  project_id: z.string(),
  name: z.string(),
  status: Status,
  deleted_at: Instant.nullable(),
  metric: z.enum(METRIC_NAMES),
  value: ExactNumber.meta({ description: 'Of a peak: on the peak day of the partner. The lines of a metric add up to its total.' }),
  own_max: ExactNumber.nullable(),
  own_max_day: Day.nullable(),
  events: z.number().int(),
})

const AdjustmentLine = z.object({
  for_month: z.string(),
  project_id: z.string().nullable(),
  metric: z.enum(METRIC_NAMES),
  kind: z.enum(['adjustment', 'manual']),
  value: ExactNumber,
  reason: z.string().nullable(),
})

export const StatementAnswer = z.object({
  statement: StatementHead,
  totals: z.array(Total),
  projects: z.array(ProjectLine),
  adjustments: z.array(AdjustmentLine),
})
export const StatementsAnswer = z.object({ statements: z.array(z.object({ statement: StatementHead, totals: z.array(Total) })) })

/** Whether `unbilled` is shown: what it says is of now, everything else of a closed statement is fixed. */
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

export function statementsAnswer(statements: readonly Statement[]) {
  return {
    statements: statements.map((statement) => ({
      statement: headAnswer(statement),
      totals: statement.totals.map((total) => totalAnswer(total, 'with unbilled')),
    })),
  }
}

/** The whole answer as a stream: a partner may have some hundred thousand lines. It breaks off when the store fails. */
export function statementStream(statement: Statement, parts: StatementLinesJson, shown: Shown): Readable {
  return Readable.from(piecesOf(statement, parts, shown))
}

async function* piecesOf(statement: Statement, { projects, adjustments }: StatementLinesJson, shown: Shown): AsyncIterable<Buffer | string> {
  const totals = statement.totals.map((total) => totalAnswer(total, shown))
  yield `{"statement":${stringifyExactJson(headAnswer(statement))},"totals":${stringifyExactJson(totals)},"projects":[`
  yield* asElements(projects)
  yield '],"adjustments":['
  yield* asElements(adjustments)
  yield ']}'
}

/** JSON objects, one a line, become the elements of an array. A line feed within a text is escaped, so each one ends an object. */
async function* asElements(lines: AsyncIterable<Uint8Array>): AsyncIterable<Buffer | string> {
  let comma = ''
  for await (const piece of lines) {
    if (piece.length === 0) continue
    yield comma
    const bytes = Buffer.from(piece)
    const ends = bytes.at(-1) === LINE_FEED
    const elements = ends ? bytes.subarray(0, -1) : bytes
    for (let at = elements.indexOf(LINE_FEED); at !== -1; at = elements.indexOf(LINE_FEED, at + 1)) elements[at] = COMMA
    yield elements
    comma = ends ? ',' : ''
  }
}

const LINE_FEED = 0x0a
const COMMA = 0x2c
