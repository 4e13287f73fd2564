import { IN_FEBRUARY, PARTNER_ID, PROJECT_ID } from '../../../contract/example-values.ts'
import type { Examples } from './refusals.ts'

const ENTRY = {
  seq: 42,
  at: IN_FEBRUARY,
  actor: 'admin:operator:0e5d3f64-6c3e-4a4f-9a51-2f6d4b7c8e90',
  action: 'partner.create',
  subject: PARTNER_ID,
  details: { mode: 'white-label', secret_id: '3c9d6f0a-58f2-4d2b-8a26-1f1b1c7a9e55' },
  request_id: '5a0c3a4e-7a54-4c1f-8e3e-9a0f5a9f1c11',
  previous_hash: 'c0ffee00d15ea5e0c0ffee00d15ea5e0c0ffee00d15ea5e0c0ffee00d15ea5e0',
  hash: '8badf00dcafebabe8badf00dcafebabe8badf00dcafebabe8badf00dcafebabe',
}
const ENTRIES = { entries: [ENTRY], next_cursor: null }

export const ADMIN_EXAMPLES: Examples = {
  'GET /admin/v1/audit-log': { answers: { 200: ENTRIES } },
  'GET /admin/v1/audit': { answers: { 200: ENTRIES } },
  'GET /admin/v1/silent-projects': {
    answers: {
      200: {
        silent: [
          {
            project_id: PROJECT_ID,
            partner_id: PARTNER_ID,
            metric: 'ai_tokens',
            last_day: '2026-02-01',
            silent_days: 2,
            last_event_at: '2026-02-01T22:14:09Z',
          },
        ],
        truncated: false,
      },
    },
  },
}
