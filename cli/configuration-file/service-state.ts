import { LIST_ACCOUNTS } from '../../contract/accounts.ts'
import { LIST_PROJECTS } from '../../contract/admin-projects.ts'
import type { Endpoint } from '../../contract/client.ts'
import { LIST_INGEST_KEYS } from '../../contract/ingest-keys.ts'
import { LIST_METRICS } from '../../contract/metrics.ts'
import type { AnswerOf } from '../../contract/operation.ts'
import { LIST_PARTNERS } from '../../contract/partners.ts'
import { call, callForList } from '../http-client.ts'

export type Partner = AnswerOf<typeof LIST_PARTNERS>['partners'][number]
export type Project = AnswerOf<typeof LIST_PROJECTS>['projects'][number]
export type IngestKey = AnswerOf<typeof LIST_INGEST_KEYS>['ingest_keys'][number]

export type Metric = AnswerOf<typeof LIST_METRICS>['metrics'][number]

/** What the service has of everything that the file can describe. */
export interface ServiceState {
  /** The documented ones too. */
  readonly metrics: readonly Metric[]
  readonly partners: readonly Partner[]
  /** Deleted ones too. */
  readonly projects: readonly Project[]
  /** Without revoked ones. */
  readonly ingestKeys: readonly IngestKey[]
  /** The partner of each account; empty unless they were requested. */
  readonly partnerOfAccount: ReadonlyMap<string, string>
}

/** Reads all of it, page by page. Throws CliError. */
export async function readServiceState(endpoint: Endpoint, { withAccounts }: { readonly withAccounts: boolean }): Promise<ServiceState> {
  const { metrics } = await call(endpoint, LIST_METRICS)
  const { partners } = (await callForList(endpoint, LIST_PARTNERS, { rows: 'partners' })).answer
  const { projects } = (await callForList(endpoint, LIST_PROJECTS, { rows: 'projects' })).answer
  const { ingest_keys } = (await callForList(endpoint, LIST_INGEST_KEYS, { rows: 'ingest_keys' })).answer
  const accounts = withAccounts ? (await callForList(endpoint, LIST_ACCOUNTS, { rows: 'accounts' })).answer.accounts : []
  return {
    metrics,
    partners,
    projects,
    ingestKeys: ingest_keys.filter(({ revoked_at }) => revoked_at === null),
    partnerOfAccount: new Map(accounts.map(({ id, partner_id }) => [id, partner_id])),
  }
}
