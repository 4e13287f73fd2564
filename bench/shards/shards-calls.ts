import type { ServiceProcess } from '../service-process.ts'
import type { PartnerSize, ShardsPartner } from './seed-partners.ts'
import type { ShardedStore } from './sharded-stores.ts'

export interface RunningStore extends ShardedStore {
  readonly service: ServiceProcess
}

/** The month of all events, and the days that have some. */
export const SHARDS_MONTH = '2026-01'
export const SHARDS_DAYS = { first: 15, count: 14 } as const

/** A different period for each, so that no two requests for a partner are the same. */
export const PERIODS = Array.from({ length: SHARDS_DAYS.count * 2 - 1 }, (_, index) => {
  const [from, to] = index < SHARDS_DAYS.count ? [0, index] : [index - SHARDS_DAYS.count + 1, SHARDS_DAYS.count - 1]
  return `start_date=${SHARDS_MONTH}-${SHARDS_DAYS.first + from}&end_date=${SHARDS_MONTH}-${SHARDS_DAYS.first + to}`
})

export function projectUsage({ service, partners }: RunningStore, request: number): Promise<string> {
  // Of large partners, because small ones have not enough projects to request each once.
  const large = partners.filter(({ size }) => size === 'large')
  const partner = requirePartner(large[request % large.length])
  const project = partner.projects[Math.floor(request / large.length) % partner.projects.length]
  return get(service, partner, `/${project}/usage?start_date=${SHARDS_MONTH}-01&end_date=${SHARDS_MONTH}-31`)
}

export function partnershipUsage(store: RunningStore, size: PartnerSize, { request, period }: { request: number; period: string }): Promise<string> {
  return get(store.service, partnerOf(store, size, request), `/usage?${period}`)
}

export async function billFromMonth({ service }: RunningStore, { partnerId }: ShardsPartner): Promise<void> {
  await administer(service, 'PATCH', `/admin/v1/partners/${partnerId}`, { billing_from: SHARDS_MONTH })
}

export async function closeMonth({ service }: RunningStore, { partnerId }: ShardsPartner): Promise<string> {
  await administer(service, 'POST', `/admin/v1/statements/${partnerId}/${SHARDS_MONTH}/close`, {})
  return 'closed'
}

/** All lines of the statement of the closed month, as a file. */
export function statementLines({ service }: RunningStore, partner: ShardsPartner): Promise<string> {
  return get(service, partner, `/statements/${SHARDS_MONTH}/export?format=csv`)
}

export function partnersOf(store: ShardedStore | undefined, size: PartnerSize): readonly ShardsPartner[] {
  return store?.partners.filter((partner) => partner.size === size) ?? []
}

export function partnerOf(store: ShardedStore, size: PartnerSize, number: number): ShardsPartner {
  const partners = partnersOf(store, size)
  return requirePartner(partners[number % partners.length])
}

function requirePartner(partner: ShardsPartner | undefined): ShardsPartner {
  if (partner === undefined) throw new Error('The store has no such partner.')
  return partner
}

async function get(service: ServiceProcess, { partnerId, secret }: ShardsPartner, path: string): Promise<string> {
  const answer = await fetch(new URL(`/partnership/v1/${partnerId}${path}`, service.url), { headers: { 'x-partnership-secret': secret } })
  return requireText(answer)
}

async function administer(service: ServiceProcess, method: string, path: string, body: object): Promise<string> {
  const headers = { authorization: `Bearer ${service.adminToken}`, 'content-type': 'application/json' }
  return requireText(await fetch(new URL(path, service.url), { method, headers, body: JSON.stringify(body) }))
}

async function requireText(answer: Response): Promise<string> {
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${new URL(answer.url).pathname} failed with status ${answer.status}: ${text.slice(0, 500)}`)
  return text
}
