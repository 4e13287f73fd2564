import { z } from 'zod'
import { IN_FEBRUARY, PARTNER_ID, PROJECT_ID, PROJECT_NAME, STATEMENT_SHA256 } from './example-values.ts'
import { EXPORT_COLUMNS, EXPORT_FORMAT_NAMES, EXPORT_FORMATS, FOCUS_VERSION_DEFAULT, FOCUS_VERSIONS } from './export-formats.ts'
import { Manifest } from './export-manifest.ts'
import { DayParam, MonthParam, PartnerParams } from './fields.ts'
import { defineOperation, type FileAnswer } from './operation.ts'

const FormatQuery = {
  format: z.enum(EXPORT_FORMAT_NAMES).default('csv'),
  focus: z
    .enum(FOCUS_VERSIONS)
    .optional()
    .meta({ description: `FOCUS only: the version of the specification that the file follows. Default: ${FOCUS_VERSION_DEFAULT}.` }),
  include: z.enum(['byte_days']).optional().meta({
    description:
      'Not for FOCUS. `byte_days` adds the columns `byte_days` and `days_with_samples`, of peaks, and rows for corrections that change only byte-days. 409 `BYTE_DAYS_UNKNOWN` if an earlier version did not keep what they are computed from.',
  }),
  quantity: z.enum(['peak', 'byte_days']).optional().meta({
    description:
      'FOCUS only: what is charged of a peak metric. `peak` (the default): its value on the peak day of the partner. `byte_days`: the sum of its days.',
  }),
  guard: z.enum(['on', 'off']).optional().meta({
    description:
      'CSV only. on (the default): an apostrophe in front of texts that a spreadsheet would run as a formula. off: all texts as they are, for programs.',
  }),
  bom: z
    .enum(['true', 'false'])
    .optional()
    .meta({ description: 'CSV only. true: the file begins with a byte order mark, by which spreadsheets recognize UTF-8. Default: false.' }),
}

const ExportQuery = z.strictObject({
  month: MonthParam.optional().meta({ description: 'YYYY-MM. Either this, or from and to.' }),
  from: DayParam.optional().meta({ description: 'First day, YYYY-MM-DD.' }),
  to: DayParam.optional().meta({ description: 'Last day, inclusive.' }),
  partner: z.string().optional().meta({ description: 'Default: all partners.' }),
  ...FormatQuery,
})

/** The server streams a file without a schema; this describes it. */
const EXPORTED_FILE: FileAnswer = {
  description: 'The file in the requested format.',
  content: Object.fromEntries(Object.values(EXPORT_FORMATS).map(({ contentType }) => [contentType.split(';')[0] ?? contentType, { schema: z.any() }])),
}

const ABOUT_FILES =
  'The body is streamed; it is complete only if it ends normally. The header `x-meterline-manifest` describes its content: the number of rows, and the sum of the values of each metric.'

const EXPORTED_ROW: Readonly<Record<(typeof EXPORT_COLUMNS)[number], string | number | null>> = {
  partner_id: PARTNER_ID,
  month: '2026-01',
  line: 'usage',
  for_month: '2026-01',
  project_id: PROJECT_ID,
  name: PROJECT_NAME,
  status: 'active',
  deleted_at: null,
  metric: 'ai_tokens',
  kind: 'cumulative',
  unit: 'token',
  value: 1845200,
  peak_day: null,
  own_max: null,
  own_max_day: null,
  events: 30412,
  reason: null,
}
const EXAMPLE_FILES = {
  'text/csv': [EXPORT_COLUMNS.join(','), EXPORT_COLUMNS.map((column) => (EXPORTED_ROW[column] === null ? '' : JSON.stringify(EXPORTED_ROW[column]))).join(',')]
    .map((line) => `${line}\r\n`)
    .join(''),
}

export const EXPORT_OWN_STATEMENT = defineOperation({
  method: 'GET',
  path: '/partnership/v1/:partnerId/statements/:month/export',
  tag: 'statements',
  summary: 'Export the statement of a month as a file',
  description: `Closed: always the same bytes. Open: usage as metered so far. ${ABOUT_FILES}`,
  params: PartnerParams.extend({ month: MonthParam }),
  query: z.strictObject(FormatQuery),
  answers: { 200: EXPORTED_FILE },
  errors: { 400: true, 401: true, 404: 'STATEMENT_NOT_FOUND', 409: 'NUMBERS_TOO_WIDE', 429: true, 500: true, 503: 'EXPORTS_BUSY' },
  example: { answers: {}, files: EXAMPLE_FILES },
})

export const EXPORT_LINES = defineOperation({
  method: 'GET',
  path: '/admin/v1/exports',
  tag: 'statements',
  summary: 'Export statements or usage as a file',
  description: `With a month: the statements of the partners that are billed for it. With days: usage as metered so far. ${ABOUT_FILES}`,
  query: ExportQuery,
  answers: { 200: EXPORTED_FILE },
  errors: { 400: true, 401: true, 403: true, 404: 'STATEMENT_NOT_FOUND', 409: 'NUMBERS_TOO_WIDE', 429: true, 500: true, 503: 'EXPORTS_BUSY' },
  example: { answers: {}, files: EXAMPLE_FILES },
})

export const GET_EXPORT_MANIFEST = defineOperation({
  method: 'GET',
  path: '/admin/v1/exports/manifest',
  tag: 'statements',
  summary: 'Get the manifest of an export without its file',
  description: 'Returns what the header `x-meterline-manifest` of the file would say now. `meterline verify` compares a file with it.',
  query: ExportQuery,
  answers: { 200: Manifest },
  errors: { 400: true, 401: true, 403: true, 404: 'STATEMENT_NOT_FOUND', 409: 'NUMBERS_TOO_WIDE', 429: true, 500: true, 503: 'EXPORTS_BUSY' },
  example: {
    answers: {
      200: {
        generator: 'meterline 1.0.0',
        format: 'csv',
        focus_version: null,
        guard: 'on',
        bom: false,
        partner_id: PARTNER_ID,
        partners: 1,
        month: '2026-01',
        from: '2026-01-01',
        to: '2026-01-31',
        status: 'closed',
        statement_sha256: STATEMENT_SHA256,
        as_of: IN_FEBRUARY,
        rows: 1,
        totals: [{ line: 'usage', metric: 'ai_tokens', rows: 1, value: '1845200' }],
      },
    },
  },
})
