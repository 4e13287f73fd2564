import type { RequestInput } from '../../contract/operation.ts'
import type { GET_STATEMENT } from '../../contract/statements.ts'
import { GB_BYTES } from '../../metering/gb-month.ts'
import { notOneOf } from '../not-one-of.ts'
import { type ByteDays, number, type Sheet, text } from './sheets.ts'

export type ByteDaysQuery = Pick<NonNullable<RequestInput<typeof GET_STATEMENT>['query']>, 'gb_bytes'> & { readonly include?: 'byte_days' }

/** What asks for byte-days; nothing without them. Throws CliError. */
export function byteDaysQuery({ byteDays, gbBytes }: { readonly byteDays?: boolean | undefined; readonly gbBytes?: string | undefined }): ByteDaysQuery {
  const gb_bytes = GB_BYTES.find((each) => each === gbBytes)
  if (gbBytes !== undefined && gb_bytes === undefined) throw notOneOf('--gb-bytes', gbBytes, GB_BYTES)
  return byteDays === true ? { include: 'byte_days', gb_bytes } : {}
}

/** A row for each peak metric. GB-months are rounded; nothing is billed by them. */
export function byteDaysSheet(byteDays: ByteDays): Sheet {
  const isEmpty = byteDays.every(({ gb_month }) => gb_month === null)
  return {
    columns: [
      ...[text('metric'), text('unit'), number('sum of days'), number('days with samples')],
      ...['GB-months', 'bytes per GB', 'days of month'].map((name) => ({ ...number(name), isEmpty })),
    ],
    rows: byteDays.map(({ metric, unit, value, days_with_samples, gb_month }) => ({
      cells: [
        ...[metric, unit, value.text, String(days_with_samples)],
        ...(gb_month === null ? ['', '', ''] : [gb_month.shown, String(gb_month.gb_bytes), String(gb_month.days_of_month)]),
      ],
    })),
  }
}
