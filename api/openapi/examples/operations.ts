import { IN_FEBRUARY, PROJECT_ID } from '../../../contract/example-values.ts'
import type { Examples } from './refusals.ts'

const LOG = 'kafka/usage-events/1/0'
const REJECTED = {
  id: '1:0:1706',
  reason: 'unknown_metric',
  message: 'There is no metric "ai_token".',
  project_id: PROJECT_ID,
  event_id: 'req-7f3b',
  received_at: IN_FEBRUARY,
  original: '{"event_id":"req-7f3b","project_id":"p1","metric":"ai_token","value":1500,"timestamp":"2026-02-04T09:29:59Z"}',
  resent_at: null,
}
const INCARNATION = { topic: 'usage-events', incarnation: 2, partitions: 4, starts: [1200, 1180, 1255, 1207] }

export const OPERATION_EXAMPLES: Examples = {
  'GET /healthz': { answers: { 200: { status: 'ok' } } },
  'GET /readyz': { answers: { 200: { status: 'ok' } } },
  // Its body has examples of its own, one of each content type (event-body.ts).
  'POST /v1/events': {
    answers: {
      200: { accepted: 1, duplicates: 1, rejected: [{ index: 2, event_id: 'req-7f3b', reason: 'unknown_metric', message: REJECTED.message }] },
      202: { accepted: 2, rejected: [] },
    },
  },
  'GET /v1/rejected-events': { answers: { 200: { rejected_events: [REJECTED], next_cursor: null } } },
  'GET /admin/v1/rejected-events': { answers: { 200: { rejected_events: [REJECTED], next_cursor: null } } },
  'POST /admin/v1/rejected-events/resend': {
    request: { ids: [REJECTED.id] },
    answers: { 200: { events: [{ id: REJECTED.id, outcome: 'accepted', reason: null }] } },
  },
  'GET /admin/v1/audits': {
    answers: {
      200: {
        audits: [
          {
            usage_date: '2026-01-31',
            audited_at: '2026-02-01T00:10:02Z',
            as_of: '2026-02-01T00:10:00Z',
            accepted_events: 48210,
            raw_events: 48210,
            rollup_events: 48210,
            partnership_events: 48198,
            differences: 0,
          },
        ],
        next_cursor: null,
      },
    },
  },
  'POST /admin/v1/audits': {
    request: { from: '2026-01-01', to: '2026-01-31' },
    answers: { 200: { events_recounted: 1482310, keys_compared: 5580, differences: [], partnership_differences: [], truncated: false } },
  },
  'POST /admin/v1/rebuilds': {
    request: { month: '2026-01' },
    answers: { 200: { month: '2026-01', keys: 5580, events: 1482310, differences_before: 0 } },
  },
  'GET /admin/v1/logs': {
    answers: { 200: { logs: [{ log: LOG, begin: 0, end: 48211, settled_through: 48210, as_of: IN_FEBRUARY, owner: 'host-1:4711', released: false }] } },
  },
  'POST /admin/v1/logs/{log}/reset': { answers: { 200: INCARNATION } },
  'POST /admin/v1/logs/repartition': { answers: { 200: INCARNATION } },
  'POST /admin/v1/logs/audits': {
    answers: {
      200: {
        logs: [{ log: LOG, first: 0, through: 48210, first_received_at: '2026-01-02T08:00:00Z' }],
        records_read: 48211,
        counted: 48190,
        duplicates: 15,
        refused: 5,
        passed_on: 1,
        differences: [],
      },
    },
  },
  'POST /admin/v1/replays': {
    request: { log: 'all', from: '2026-01-31T00:00:00Z' },
    answers: { 200: { replays: [{ id: '6c5b4a39-2817-4065-b4a3-928170f6e5d4', log: LOG, from_offset: 47102 }] } },
  },
}
