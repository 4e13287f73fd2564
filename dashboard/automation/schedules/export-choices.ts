import type { NewSchedule } from './call-schedules.ts'

type ExportAction = NonNullable<NewSchedule['export']>
export type ExportedWhat = ExportAction['what']

export const EXPORTED: readonly ExportedWhat[] = ['statements', 'usage', 'focus']

/** Only usage has files of single days. */
export function periodsOf(what: ExportedWhat): readonly ExportAction['period'][] {
  return what === 'usage' ? ['last-month', 'this-month', 'yesterday'] : ['last-month', 'this-month']
}

export function formatsOf(what: ExportedWhat): readonly ExportAction['format'][] {
  return what === 'focus' ? ['csv', 'ndjson', 'parquet'] : ['csv', 'json', 'ndjson', 'parquet', 'xlsx']
}
