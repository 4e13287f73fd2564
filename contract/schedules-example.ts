export const SCHEDULE_ID = '5f0f4c3e-8a41-4c55-9d6b-3f7f0c1c2b11'

/** The schedule that the examples of contract/schedules.ts create, change and return. */
export const SCHEDULE_EXAMPLE = {
  id: SCHEDULE_ID,
  name: 'Nightly sync',
  cronSchedule: '0 3 * * *',
  timezone: 'Europe/Berlin',
  functionUrl: 'https://functions.example.com/sync',
  httpMethod: 'POST',
  headers: { authorization: 'Bearer ${' + '{secrets.SYNC_TOKEN}}' },
  body: { full: true },
  export: null,
  isActive: true,
  lastExecutedAt: '2026-03-28T02:00:00.215Z',
  lastSuccess: true,
  lastMessage: 'Answered 200.',
  nextRun: '2026-03-29T01:00:00Z',
  createdAt: '2026-01-02T08:00:00Z',
  updatedAt: '2026-01-02T08:00:00Z',
} as const

/** One of its executions. */
export const RUN_EXAMPLE = {
  id: 'run_2f1b0a3d9c64e8857a1f2d3c4b5a6978',
  scheduleId: SCHEDULE_ID,
  dueAt: '2026-03-28T02:00:00Z',
  executedAt: '2026-03-28T02:00:00.215Z',
  statusCode: 200,
  success: true,
  durationMs: 184,
  message: 'Answered 200.',
} as const
