import Table from 'cli-table3'
import { z } from 'zod'
import { call, readServiceAddress } from './http-client.ts'
import { CliError, type OutputOptions, printResult } from './output.ts'

export interface AuditOptions extends OutputOptions {
  readonly from?: string
  readonly to?: string
  readonly project?: string
}

/** Recounts raw, compares it with the rollup, prints 0 or the list. Throws CliError when they differ. */
export async function audit(environment: NodeJS.ProcessEnv, options: AuditOptions): Promise<void> {
  const { from, to, project } = options
  const report = AuditReport.parse(await call(readServiceAddress(environment), 'POST', '/admin/v1/audits', { from, to, project_id: project }))
  printResult(options, report, () => linesOf(report))
  if (report.differences.length > 0)
    throw new CliError(`Raw and rollup differ on ${report.truncated ? 'more than ' : ''}${report.differences.length} (project, day, metric).`)
}

const AuditReport = z.object({
  events_recounted: z.number(),
  keys_compared: z.number(),
  truncated: z.boolean(),
  differences: z.array(z.record(z.string(), z.string())),
})

function linesOf({ events_recounted, keys_compared, differences }: z.output<typeof AuditReport>): string[] {
  const summary = `${differences.length} differences (${events_recounted} events recounted, ${keys_compared} daily totals compared)`
  const [first] = differences
  if (first === undefined) return [summary]
  const columns = Object.keys(first)
  const table = new Table({ head: columns, style: { head: [] } })
  for (const difference of differences) table.push(columns.map((column) => difference[column] ?? ''))
  return [table.toString(), summary]
}
