import type { Credentials, MeterlineClient, TestEvent } from '../clients/client.ts'
import { untilSo } from '../until-so.ts'

/** Two closed months of a partner, with everything that a statement can contain, and an open month. */
export async function makeExportedMonths(client: MeterlineClient, name = 'Acme "1", näme'): Promise<Credentials> {
  const partner = await client.createPartner(name)
  if (client.ingestKey === '') await client.createIngestKey()
  await untilSo(async () => (await client.partnershipUsage(partner, '2026-01-01', '2026-01-31')).body.as_of !== null)
  await client.billFrom(partner.partnerId, '2026-01')
  await client.registerProject('-formula', partner.partnerId, { name: '=SUM(A1:A9)' })
  await client.registerProject('quoted', partner.partnerId, { name: 'say "hi", 雪; \\ done' })
  await client.registerProject('gone', partner.partnerId, { name: '@gone', status: 'deleted', deleted_at: '2026-01-12T10:00:00.250Z' })
  await client.send([
    ...tokens('-formula', { '2026-01-01': '12345678901234567890123456789.123456789', '2026-01-31': '0.000000001' }),
    ...tokens('quoted', { '2026-01-03': '2.5', '2026-01-04': '2.5' }),
    ...tokens('gone', { '2026-01-05': 7 }),
    // 4 January: 10 + 3; 5 January: 9 + 6, which is the peak.
    ...sizes('-formula', { '2026-01-04': 10, '2026-01-05': 9 }),
    ...sizes('gone', { '2026-01-04': 3, '2026-01-05': 6 }),
    ...sizes('quoted', { '2026-01-09': 1 }),
    ...tokens('quoted', { '2026-02-07': 8 }),
    ...tokens('quoted', { '2026-03-07': 16, '2026-03-08': 32 }),
    ...sizes('quoted', { '2026-03-07': 5 }),
  ])
  await requireClosed(client, partner, '2026-01')
  // Late usage moves the peak to 2 January, so the shares of 5 January are corrected.
  await client.send([...sizes('quoted', { '2026-01-02': 1000 }), ...tokens('gone', { '2026-01-06': '0.5' })])
  await client.admin('POST', `/admin/v1/statements/${partner.partnerId}/adjustments`, {
    for_month: '2026-01',
    metric: 'ai_tokens',
    value: '-3.5',
    reason: '=HYPERLINK("x")',
  })
  await requireClosed(client, partner, '2026-02')
  return partner
}

async function requireClosed(client: MeterlineClient, partner: Credentials, month: string): Promise<void> {
  const { status, text } = await client.closeMonth(partner.partnerId, month)
  if (status !== 200) throw new Error(`${month} was not closed: ${text}`)
}

const tokens = (project: string, days: Record<string, string | number>) => events(project, 'ai_tokens', days)
const sizes = (project: string, days: Record<string, string | number>) => events(project, 'database_size_bytes', days)

function events(project_id: string, metric: string, days: Record<string, string | number>): TestEvent[] {
  return Object.entries(days).map(([day, value]) => ({ event_id: `${metric} ${day}`, project_id, metric, value, timestamp: `${day}T10:00:00Z` }))
}
