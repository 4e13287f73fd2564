import { IN_FEBRUARY, JANUARY, PROJECT_ID, PROJECT_NAME } from '../../../contract/example-values.ts'
import type { Examples } from './refusals.ts'

const BILLING = { as_of: IN_FEBRUARY, billing_status: 'provisional' }

const EXPLANATION = {
  metric: 'ai_tokens',
  kind: 'cumulative',
  unit: 'token',
  rule: 'The sum of all events of the period.',
  value: 1845200,
  peak_day: null,
  events: 30412,
  first_event_at: '2026-01-01T00:00:12Z',
  last_event_at: '2026-01-31T23:58:07Z',
  contributors: { projects: [{ project_id: PROJECT_ID, name: PROJECT_NAME, status: 'active', value: 1845200, events: 30412 }] },
  late_arrivals: {
    events: 1,
    value: 1500,
    latest: [
      {
        project_id: PROJECT_ID,
        event_id: 'req-7f3a',
        value: 1500,
        timestamp: '2026-01-31T23:58:07Z',
        received_at: '2026-02-01T00:00:02.117Z',
        after_closing: false,
      },
    ],
  },
  period: JANUARY,
  ...BILLING,
}

export const USAGE_EXAMPLES: Examples = {
  'GET /partnership/v1/{partnerId}/usage/explain': { answers: { 200: EXPLANATION } },
  'GET /admin/v1/explain': {
    answers: {
      200: {
        ...EXPLANATION,
        contributors: {
          days: [{ usage_date: '2026-01-31', value: 60250, events: 981 }],
          events: [{ event_id: 'req-7f3a', value: 1500, timestamp: '2026-01-31T23:58:07Z', received_at: '2026-02-01T00:00:02.117Z' }],
        },
      },
    },
  },
}
