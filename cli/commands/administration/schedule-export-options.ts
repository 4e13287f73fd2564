import type { Command } from 'commander'
import { FOCUS_VERSION_DEFAULT, FOCUS_VERSIONS } from '../../../contract/export-formats.ts'
import type { RequestInput } from '../../../contract/operation.ts'
import type { CREATE_SCHEDULE } from '../../../contract/schedules.ts'
import { usageError } from '../../errors.ts'

/** The options of an export that a schedule delivers. */
export interface ExportOptions {
  readonly export?: string
  readonly period?: string
  readonly format?: string
  readonly focus?: string
  readonly include?: string
  readonly quantity?: string
  readonly partner?: string
  readonly folder?: string
  readonly put?: string
}

export interface ChangedExportOptions extends ExportOptions {
  readonly allPartners?: true
}

export function addExportOptions<C extends Command>(command: C): C {
  return command
    .option('--export <what>', 'deliver an export instead of calling a URL: statements, usage or focus')
    .option('--period <period>', 'of the export: last-month, this-month, or yesterday (usage only)')
    .option('--format <format>', 'of the export: csv, json, ndjson, parquet or xlsx; focus has csv, ndjson and parquet')
    .option('--focus <version>', `of the export of focus: the version of the specification, ${FOCUS_VERSIONS.join(' or ')}; default: ${FOCUS_VERSION_DEFAULT}`)
    .option('--include <what>', 'of the export of statements or usage: byte_days adds the byte-days of peaks as columns')
    .option('--quantity <quantity>', 'of the export of focus: peaks are charged by their peak, the default, or by their byte_days')
    .option('--partner <id>', 'of the export; default: all partners')
    .option('--folder <path>', 'deliver into this folder below EXPORT_DIR of the service')
    .option('--put <url>', 'deliver with PUT to this https URL; {name} in it stands for the name, which is otherwise appended')
}

type ExportBody = NonNullable<NonNullable<RequestInput<typeof CREATE_SCHEDULE>['body']>['export']>

/** Undefined without --export. Values are checked by the service. Throws CliError. */
export function exportFrom({ export: what, period, format, folder, put, ...others }: ExportOptions): ExportBody | undefined {
  const { focus, include, quantity, partner } = others
  const given = {
    '--period': period,
    '--format': format,
    '--focus': focus,
    '--include': include,
    '--quantity': quantity,
    '--partner': partner,
    '--folder': folder,
    '--put': put,
  }
  if (what === undefined) {
    const [alone] = Object.entries(given).filter(([, value]) => value !== undefined)
    if (alone !== undefined) throw usageError(`${alone[0]} is for exports.`, 'Add --export.')
    return undefined
  }
  if (period === undefined || format === undefined) throw usageError('--export needs --period and --format.')
  if ((folder === undefined) === (put === undefined)) throw usageError('--export needs either --folder or --put.')
  const to = folder === undefined ? { url: put ?? '' } : { folder }
  const set = Object.entries({ focus, include, quantity, partner }).filter(([, value]) => value !== undefined)
  return { what, period, format, to, ...Object.fromEntries(set) } as ExportBody
}

/** Whether any option of an export is given. */
export function changesExport({ export: what, period, format, focus, include, quantity, partner, folder, put, allPartners }: ChangedExportOptions): boolean {
  return [what, period, format, focus, include, quantity, partner, folder, put, allPartners].some((value) => value !== undefined)
}

/** The export that a schedule has (null if it calls a URL) with what is given. Values are checked by the service. Throws CliError. */
export function changedExport(stored: ExportBody | null, { allPartners, ...given }: ChangedExportOptions): ExportBody {
  if (allPartners && given.partner !== undefined) throw usageError('--partner and --all-partners exclude each other.')
  const changed = exportFrom(stored === null ? given : { ...optionsOf(stored, given), ...given })
  if (changed === undefined) throw usageError('The schedule calls a URL and delivers no export.', 'Add --export.')
  const { partner: _, ...ofAll } = changed
  return allPartners ? ofAll : changed
}

/** What a stored export has and the given options do not replace. */
function optionsOf({ what, period, format, focus, include, quantity, partner, to }: ExportBody, given: ExportOptions): ExportOptions {
  const isStillFocus = (given.export ?? what) === 'focus'
  const isMoved = given.folder !== undefined || given.put !== undefined
  return {
    ...{ export: what, period, format },
    ...(isStillFocus && focus !== undefined ? { focus } : {}),
    ...(isStillFocus && quantity !== undefined ? { quantity } : {}),
    ...(!isStillFocus && include !== undefined ? { include } : {}),
    ...(partner === undefined ? {} : { partner }),
    ...(isMoved ? {} : 'folder' in to ? { folder: to.folder } : { put: to.url }),
  }
}
