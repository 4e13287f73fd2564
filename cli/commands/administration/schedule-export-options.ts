import type { Command } from 'commander'
import type { RequestInput } from '../../../contract/operation.ts'
import type { CREATE_SCHEDULE } from '../../../contract/schedules.ts'
import { usageError } from '../../errors.ts'

/** The options of an export that a schedule delivers. */
export interface ExportOptions {
  readonly export?: string
  readonly period?: string
  readonly format?: string
  readonly partner?: string
  readonly folder?: string
  readonly put?: string
}

export function addExportOptions<C extends Command>(command: C): C {
  return command
    .option('--export <what>', 'deliver an export instead of calling a URL: statements, usage or focus')
    .option('--period <period>', 'of the export: last-month, this-month, or yesterday (usage only)')
    .option('--format <format>', 'of the export: csv, json, ndjson, parquet or xlsx; focus has csv and parquet')
    .option('--partner <id>', 'of the export; default: all partners')
    .option('--folder <path>', 'deliver into this folder below EXPORT_DIR of the service')
    .option('--put <url>', 'deliver with PUT to this https URL; {name} in it stands for the name, which is otherwise appended')
}

type ExportBody = NonNullable<NonNullable<RequestInput<typeof CREATE_SCHEDULE>['body']>['export']>

/** Undefined without --export. Values are checked by the service. Throws CliError. */
export function exportFrom({ export: what, period, format, partner, folder, put }: ExportOptions): ExportBody | undefined {
  const given = { '--period': period, '--format': format, '--partner': partner, '--folder': folder, '--put': put }
  if (what === undefined) {
    const [alone] = Object.entries(given).filter(([, value]) => value !== undefined)
    if (alone !== undefined) throw usageError(`${alone[0]} is for exports.`, 'Add --export.')
    return undefined
  }
  if (period === undefined || format === undefined) throw usageError('--export needs --period and --format.')
  if ((folder === undefined) === (put === undefined)) throw usageError('--export needs either --folder or --put.')
  const to = folder === undefined ? { url: put ?? '' } : { folder }
  return { what, period, format, to, ...(partner === undefined ? {} : { partner }) } as ExportBody
}
