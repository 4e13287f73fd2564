import type { Credentials, MeterlineClient } from '../clients/client.ts'
import { makeExportedMonths } from './exported-month.ts'

/** One caller of every kind, and the existing ids and valid values that tests mix with invented ones. */
export interface ApiWorld {
  readonly whiteLabel: Caller
  readonly coBranded: Caller
  /** All other callers. Operators change a separate partner, so that the secrets of the callers above stay valid. */
  readonly others: { readonly known: KnownValues }
}

export interface Caller extends Credentials {
  readonly known: KnownValues
}

/** Values by `in.name`, such as `path.partnerId`. */
export type KnownValues = Readonly<Record<string, readonly string[]>>

const MONTHS = ['2026-02', '2026-01', '2026-03']
const DAYS = ['2026-01-03', '2026-01-31', '2026-03-08']
const EMAIL = 'ada@example.com'
const SECRET_KEYS = ['STRIPE_API_KEY', 'ANOTHER_KEY']

const HOOK = 'https://hooks.invalid/meterline'

/** Values that a field accepts from every caller. */
const VALID = {
  'path.month': MONTHS,
  'query.start_date': DAYS.slice(0, 1),
  'query.end_date': DAYS.slice(1),
  'query.from': DAYS.slice(0, 1),
  'query.to': DAYS.slice(1),
  'query.search': ['quo', ''],
  'body.name': ['fair', 'quoted'],
  'body.project_name': ['fair'],
  'body.id': ['line-1', 'line-2'],
  'body.deleted_at': ['2026-01-12T10:00:00Z'],
  'body.email': [EMAIL],
  'body.reason': ['an outage'],
  'body.value': ['-3.5', '12'],
  // A name that never resolves: a test message must not leave this machine.
  'body.url': [HOOK],
  'body.budget': ['100'],
  'query.metric': ['ai_tokens', 'database_bytes'],
  'body.metric': ['ai_tokens', 'database_size_bytes'],
  'body.timestamp': ['2026-01-03T10:00:00Z', '2026-02-07T23:59:59.999+01:00'],
}
/** Tests delete some of these projects; enough must remain until the end. */
const DELETABLE = Array.from({ length: 30 }, (_, index) => `deletable-${index}`)

export async function makeApiWorld(client: MeterlineClient): Promise<ApiWorld> {
  const whiteLabel = await makeExportedMonths(client, 'White-label')
  for (const project of DELETABLE) await client.registerProject(project, whiteLabel.partnerId)
  const coBranded = await client.createPartner('Co-branded', 'co-branded')
  const { account } = (await client.partner(coBranded, 'POST', '/connect-user', JSON.stringify({ name: 'Ada', email: EMAIL }))).body
  const { project } = (await client.partner(coBranded, 'POST', `/${account.id}/sync-project`, JSON.stringify({ project_name: 'fair' }))).body
  const changed = await client.createPartner('Changed')
  await client.registerProject('changed', changed.partnerId)
  for (const { partnerId } of [coBranded, changed]) await client.billFrom(partnerId, '2026-01')
  const event = { event_id: 'e', metric: 'ai_tokens', value: '2.5', timestamp: '2026-01-03T10:00:00Z' }
  await client.send([...DELETABLE, project.id, 'changed'].map((project_id) => ({ ...event, project_id })))
  const automation = await Promise.all(
    [whiteLabel, coBranded].map((partner) => knownOfAutomation((path, body) => client.partner(partner, 'POST', path, JSON.stringify(body)))),
  )
  return {
    whiteLabel: {
      ...whiteLabel,
      known: { ...VALID, ...automation[0], 'path.partnerId': [whiteLabel.partnerId], 'path.projectId': DELETABLE, 'query.project_id': ['quoted', 'gone'] },
    },
    coBranded: {
      ...coBranded,
      known: {
        ...VALID,
        ...automation[1],
        'path.partnerId': [coBranded.partnerId],
        'path.userId': [account.id],
        'path.projectId': [project.id],
        'query.project_id': [project.id],
      },
    },
    others: { known: { ...VALID, ...(await knownToOperators(client, changed, coBranded)), 'path.accountId': [account.id] } },
  }
}

async function knownToOperators(client: MeterlineClient, changed: Credentials, another: Credentials): Promise<KnownValues> {
  const key = await client.admin('POST', '/admin/v1/ingest-keys', { name: 'spare' })
  const token = await client.admin('POST', '/admin/v1/tokens', { role: 'finance' })
  const partnerSecret = await client.admin('POST', `/admin/v1/partners/${changed.partnerId}/secrets`)
  await client.admin('POST', '/api/secrets', { key: SECRET_KEYS[0], value: 'a value' })
  const batches: string[] = []
  for (const reason of ['first', 'second', 'third']) {
    const window = { project_id: 'changed', metric: 'ai_tokens', from: '2026-01-03', to: '2026-01-05', reason }
    batches.push((await client.admin('POST', '/admin/v1/correction-batches', window)).body.batch.id)
  }
  const schedules: string[] = []
  for (const name of ['first', 'second', 'third', 'fourth', 'fifth']) {
    const { body } = await client.admin('POST', '/api/schedules', { name, cronSchedule: '0 3 1 1 *', functionUrl: HOOK })
    schedules.push(body.id)
  }
  const automation = await knownOfAutomation((path, body) =>
    client.admin('POST', `/admin/v1${path}`, path === '/thresholds' ? { ...body, partner_id: changed.partnerId } : body),
  )
  return {
    ...automation,
    'path.scheduleId': schedules,
    'path.partnerId': [changed.partnerId],
    'path.projectId': ['changed', 'new'],
    'path.batchId': batches,
    'path.keyId': [key.body.id],
    'path.tokenId': [token.body.id],
    'path.secretId': [partnerSecret.body.id],
    'path.key': SECRET_KEYS,
    'query.month': MONTHS,
    'query.partner_id': [changed.partnerId, another.partnerId],
    'query.partner': [changed.partnerId, another.partnerId],
    'query.project_id': ['changed'],
    'body.partner_id': [changed.partnerId],
    'body.project_id': ['changed'],
    'body.month': MONTHS,
    'body.from': ['2026-01-03'],
    'body.to': ['2026-01-05'],
    'path.name': ['images', 'pages'],
    'body.unit': ['image'],
    'body.description': ['Images.'],
    'body.display': ['Images'],
    'body.for_month': MONTHS,
    'body.billing_from': MONTHS,
    'body.key': SECRET_KEYS,
    'body.expiresAt': ['2099-01-01T00:00:00Z'],
  }
}

/** Several of each, because tests remove them. */
async function knownOfAutomation(
  post: (path: string, body: object) => Promise<{ readonly body: { webhook: { id: string }; threshold: { id: string } } }>,
): Promise<KnownValues> {
  const webhooks: string[] = []
  const thresholds: string[] = []
  for (let nth = 0; nth < 5; nth += 1) {
    webhooks.push((await post('/webhooks', { url: HOOK, events: ['statement.closed'] })).body.webhook.id)
    thresholds.push((await post('/thresholds', { metric: 'ai_tokens', per: 'month', levels: [{ name: 'much', value: '1000' }] })).body.threshold.id)
  }
  return { 'path.webhookId': webhooks, 'path.thresholdId': thresholds, 'path.messageId': ['msg_unknown'] }
}
