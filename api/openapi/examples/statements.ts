import { EXPORT_COLUMNS } from '../../../aggregator/statements/canonical-lines.ts'
import { IN_FEBRUARY, PARTNER_ID, PROJECT_ID, PROJECT_NAME } from '../../../contract/example-values.ts'
import type { Examples } from './refusals.ts'

const SHA256 = '9f2c5d1e8b7a4c3f6e0d9b8a7c6f5e4d3c2b1a0f9e8d7c6b5a4f3e2d1c0b9a8f'
const HEAD = { month: '2026-01', status: 'closed', closed_at: '2026-02-04T00:00:11.402Z', as_of: '2026-02-04T00:00:00Z', sha256: SHA256 }
const TOTALS = [
  { metric: 'database_size_bytes', kind: 'peak', unit: 'byte', value: 5368709120, peak_day: '2026-01-29', unbilled: 0 },
  { metric: 'ai_tokens', kind: 'cumulative', unit: 'token', value: 1845200, peak_day: null, unbilled: 1500 },
]
const LINE = { project_id: PROJECT_ID, name: PROJECT_NAME, status: 'active', deleted_at: null }
const STATEMENT = {
  statement: HEAD,
  totals: TOTALS,
  projects: [
    { ...LINE, metric: 'database_size_bytes', value: 5368709120, own_max: 5368709120, own_max_day: '2026-01-29', events: 744 },
    { ...LINE, metric: 'ai_tokens', value: 1845200, own_max: null, own_max_day: null, events: 30412 },
  ],
  adjustments: [{ for_month: '2025-12', project_id: PROJECT_ID, metric: 'ai_tokens', kind: 'adjustment', value: 2500, reason: null }],
}
const AS_CLOSED = { ...STATEMENT, totals: TOTALS.map(({ unbilled: _, ...total }) => total) }
const STATEMENTS = { statements: [{ statement: HEAD, totals: TOTALS }] }

const EXPORTED: Readonly<Record<(typeof EXPORT_COLUMNS)[number], string | number | null>> = {
  partner_id: PARTNER_ID,
  month: '2026-01',
  line: 'usage',
  for_month: '2026-01',
  ...LINE,
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
const inLines = (lines: readonly string[]) => lines.map((line) => `${line}\r\n`).join('')
const EXPORT_FILES = {
  'text/csv': inLines([
    EXPORT_COLUMNS.join(','),
    EXPORT_COLUMNS.map((column) => (EXPORTED[column] === null ? '' : JSON.stringify(EXPORTED[column]))).join(','),
  ]),
}

export const STATEMENT_EXAMPLES: Examples = {
  'GET /partnership/v1/{partnerId}/statements': { answers: { 200: STATEMENTS } },
  'GET /partnership/v1/{partnerId}/statements/{month}': { answers: { 200: STATEMENT } },
  'GET /admin/v1/statements/{partnerId}': { answers: { 200: STATEMENTS } },
  'GET /admin/v1/statements/{partnerId}/{month}': { answers: { 200: STATEMENT } },
  'POST /admin/v1/statements/{partnerId}/{month}/close': { request: {}, answers: { 200: AS_CLOSED } },
  'POST /admin/v1/statements/{partnerId}/adjustments': {
    request: {
      id: 'ticket-4711',
      for_month: '2026-01',
      project_id: PROJECT_ID,
      metric: 'ai_tokens',
      value: '-1500',
      reason: 'Sent twice under two ids, ticket 4711',
    },
    answers: { 201: { id: 'ticket-4711', statement: '2026-02' } },
  },
  'GET /partnership/v1/{partnerId}/statements/{month}/export': { answers: {}, files: EXPORT_FILES },
  'GET /admin/v1/exports': { answers: {}, files: EXPORT_FILES },
  'GET /admin/v1/exports/manifest': {
    answers: {
      200: {
        generator: 'meterline 1.0.0',
        format: 'csv',
        partner_id: PARTNER_ID,
        partners: 1,
        month: '2026-01',
        from: '2026-01-01',
        to: '2026-01-31',
        status: 'closed',
        statement_sha256: SHA256,
        as_of: IN_FEBRUARY,
        rows: 1,
        totals: [{ line: 'usage', metric: 'ai_tokens', rows: 1, value: '1845200' }],
      },
    },
  },
}
