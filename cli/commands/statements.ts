import { z } from 'zod'
import type { CommandRegistration } from '../command.ts'
import { ask, readServiceAddress } from '../http-client.ts'
import { type OutputOptions, printResult } from '../output.ts'
import { plainTable } from '../plain-table.ts'

export const statementsCommand: CommandRegistration = (program, run) => {
  program
    .command('statements')
    .description("list a partner's statements, or show one month")
    .requiredOption('--partner <id>', 'the partner')
    .option('--month <month>', 'YYYY-MM')
    .action((own: StatementsOptions) => run((environment, options) => statements(environment, { ...own, ...options })))
}

interface StatementsOptions extends OutputOptions {
  readonly partner: string
  readonly month?: string
}

/** All statements of a partner, or one of them. Quantities keep all their digits. Throws CliError. */
async function statements(environment: NodeJS.ProcessEnv, { partner, month, ...options }: StatementsOptions): Promise<void> {
  const address = readServiceAddress(environment)
  const path = `/admin/v1/statements/${encodeURIComponent(partner)}`
  if (month === undefined) {
    const told = await ask(address, path)
    const listed = StatementsAnswer.parse(told)
    printResult(options, told, () => linesOfAll(listed.statements))
    return
  }
  const told = await ask(address, `${path}/${encodeURIComponent(month)}`)
  const statement = StatementAnswer.parse(told)
  printResult(options, told, () => linesOfOne(statement))
}

const Head = z.object({
  month: z.string(),
  status: z.string(),
  closed_at: z.string().nullable(),
  as_of: z.string().nullable(),
  sha256: z.string().nullable(),
})
const Total = z.object({ metric: z.string(), unit: z.string(), value: z.string(), peak_day: z.string().nullable(), unbilled: z.string() })
const Adjustment = z.object({
  for_month: z.string(),
  project_id: z.string().nullable(),
  metric: z.string(),
  kind: z.string(),
  value: z.string(),
  reason: z.string().nullable(),
})
const Summary = z.object({ statement: Head, totals: z.array(Total) })
const StatementsAnswer = z.object({ statements: z.array(Summary) })
const StatementAnswer = Summary.extend({ projects: z.array(z.object({ project_id: z.string() })), adjustments: z.array(Adjustment) })

function linesOfAll(listed: readonly z.output<typeof Summary>[]): string[] {
  const rows = listed.map(({ statement, totals }) => {
    const since = totals.filter(({ unbilled }) => unbilled !== '0').map(({ metric, unbilled }) => `${metric} ${unbilled}`)
    return [
      ...[statement.month, statement.status, statement.closed_at ?? ''],
      ...[statement.status === 'open' ? 'all of it' : since.join('\n'), statement.sha256?.slice(0, 12) ?? ''],
    ]
  })
  return [plainTable(['month', 'status', 'closed at', 'unbilled since', 'sha256'], rows)]
}

function linesOfOne({ statement, totals, projects, adjustments }: z.output<typeof StatementAnswer>): string[] {
  const rows = totals.map(({ metric, unit, value, peak_day, unbilled }) => [metric, unit, value, peak_day ?? '', unbilled])
  const state = statement.closed_at === null ? 'open: as metered by now' : `closed at ${statement.closed_at}, sha256 ${statement.sha256}`
  const lines = [
    `${statement.month} is ${state} (complete up to ${statement.as_of ?? 'no time yet'})`,
    plainTable(['metric', 'unit', 'value', 'peak day', 'unbilled'], rows, [2, 4]),
  ]
  lines.push(`${new Set(projects.map(({ project_id }) => project_id)).size} projects; "meterline export" writes every line`)
  if (adjustments.length === 0) return [...lines, 'no adjustments']
  const corrections = adjustments
    .slice(0, ADJUSTMENTS_SHOWN_MAX)
    .map((each) => [each.for_month, each.project_id ?? 'all', each.metric, each.kind, each.value, each.reason ?? ''])
  const more = adjustments.length - ADJUSTMENTS_SHOWN_MAX
  return [
    ...lines,
    plainTable(['for month', 'project', 'metric', 'kind', 'value', 'reason'], corrections, [4]),
    ...(more > 0 ? [`and ${more} more adjustments`] : []),
  ]
}

const ADJUSTMENTS_SHOWN_MAX = 50
