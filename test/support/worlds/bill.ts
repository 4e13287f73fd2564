import type { MeterlineClient, TestEvent } from '../clients/client.ts'

/**
 * A small month with everything that can make a bill wrong: peaks on different days, decimals, a time zone, a duplicate, a conflict.
 * Returns every number of both usage answers, exactly as in the responses.
 */
export async function billOf(client: MeterlineClient): Promise<unknown> {
  const partner = await client.createPartner('Bill')
  await client.createIngestKey()
  for (const id of ['red', 'blue']) await client.registerProject(id, partner.partnerId)
  const { body } = await client.send(EVENTS)
  const red = await client.projectUsage(partner, 'red', '2026-03-01', '2026-03-31')
  const all = await client.partnershipUsage(partner, '2026-03-01', '2026-03-31')
  return { answer: body, red: red.body.summary, redDays: red.body.daily_usage, all: all.body.summary }
}

const EVENTS = [
  at('red', 'r1', 'database_size_bytes', '700', '2026-03-03T23:59:59.999Z'),
  at('blue', 'b1', 'database_size_bytes', '100', '2026-03-03T10:00:00Z'),
  at('red', 'r2', 'database_size_bytes', '600', '2026-03-04T00:00:00Z'),
  at('blue', 'b2', 'database_size_bytes', '350', '2026-03-04T12:00:00+02:00'),
  at('red', 'r3', 'ai_tokens', '12345678901234567890.000000001', '2026-03-04T23:30:00-02:00'),
  at('red', 'r4', 'ai_tokens', '0.1', '2026-03-05T23:59:59Z'),
  at('blue', "b'\\\u00fc\u{1f600}", 'ai_credits', '0.2', '2026-03-05T01:00:00Z'),
  at('red', 'r4', 'ai_tokens', '0.10', '2026-02-01T00:00:00Z'),
  at('red', 'r4', 'ai_tokens', '0.3', '2026-03-05T23:59:59Z'),
]

/** Computed by hand. Peaks: red 700; together max(700 + 100, 600 + 350) = 950. Both events with tokens of red are on 5 March in UTC. */
export const HAND_COMPUTED = {
  answer: { accepted: '7', duplicates: '1', rejected: [{ index: '8', event_id: 'r4', reason: 'conflict' }] },
  red: { max_database_size_bytes: '700', total_ai_tokens: '12345678901234567890.100000001', total_ai_credits: '0' },
  redDays: [
    { usage_date: '2026-03-03', database_size_bytes: '700', ai_tokens: '0' },
    { usage_date: '2026-03-04', database_size_bytes: '600', ai_tokens: '0' },
    { usage_date: '2026-03-05', database_size_bytes: '0', ai_tokens: '12345678901234567890.100000001' },
  ],
  all: { database_bytes: '950', ai_tokens: '12345678901234567890.100000001', ai_credits: '0.2', mcp_calls: '0' },
}

function at(project_id: string, event_id: string, metric: string, value: string, timestamp: string): TestEvent {
  return { event_id, project_id, metric, value, timestamp }
}
