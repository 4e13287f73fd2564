import type { Credentials, MeterlineClient } from './client.ts'
import { makeExportedMonths } from './exported-month.ts'

/** Someone of every kind who calls the API, and the real values that made up ones are mixed with. */
export interface ApiWorld {
  readonly whiteLabel: Caller
  readonly coBranded: Caller
  /** Platforms, operators and everyone. What operators change belongs to a partner of its own: a caller's secret must go on being good. */
  readonly others: { readonly known: KnownValues }
}

export interface Caller extends Credentials {
  readonly known: KnownValues
}

/** By `in.name`, such as `path.partnerId`. */
export type KnownValues = Readonly<Record<string, readonly string[]>>

const MONTHS = ['2026-02', '2026-01', '2026-03']
const DAYS = ['2026-01-03', '2026-01-31', '2026-03-08']
const PERIODS = { 'path.month': MONTHS, 'query.start_date': DAYS, 'query.end_date': DAYS.toReversed() }
/** Tests delete some of them, and must find one that lives until their end. */
const DELETABLE = Array.from({ length: 30 }, (_, index) => `deletable-${index}`)

export async function makeApiWorld(client: MeterlineClient): Promise<ApiWorld> {
  const whiteLabel = await makeExportedMonths(client, 'White-label')
  const coBranded = await client.createPartner('Co-branded', 'co-branded')
  const changed = await client.createPartner('Changed')
  for (const project of DELETABLE) await client.registerProject(project, whiteLabel.partnerId)
  await client.registerProject('shown', coBranded.partnerId)
  await client.registerProject('changed', changed.partnerId)
  for (const { partnerId } of [coBranded, changed]) await client.billFrom(partnerId, '2026-01')
  await client.send(
    ['shown', 'changed'].map((project_id) => ({ event_id: 'e', project_id, metric: 'ai_tokens', value: '2.5', timestamp: '2026-01-03T10:00:00Z' })),
  )
  return {
    whiteLabel: {
      ...whiteLabel,
      known: { ...PERIODS, 'path.partnerId': [whiteLabel.partnerId], 'path.projectId': DELETABLE, 'query.project_id': ['quoted', 'gone'] },
    },
    coBranded: {
      ...coBranded,
      known: { ...PERIODS, 'path.partnerId': [coBranded.partnerId], 'path.projectId': ['shown'], 'query.project_id': ['shown'] },
    },
    others: {
      known: {
        ...PERIODS,
        'path.partnerId': [changed.partnerId],
        'path.projectId': ['changed', 'new'],
        'query.month': MONTHS,
        'query.partner': [changed.partnerId, coBranded.partnerId],
        'body.partner_id': [changed.partnerId],
        'body.project_id': ['changed'],
        'body.month': MONTHS,
        'body.for_month': MONTHS,
        'body.billing_from': MONTHS,
      },
    },
  }
}
