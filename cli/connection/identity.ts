import { LIST_OWN_REJECTED_EVENTS } from '../../contract/rejected-events.ts'
import { LIST_SILENT_PROJECTS } from '../../contract/silent-projects.ts'
import { GET_PARTNERSHIP_USAGE, GET_PROJECT_USAGE } from '../../contract/usage.ts'
import { call } from '../http-client.ts'
import { type Connection, requirePartnerId, requireProjectId } from './connect.ts'
import type { CredentialKind } from './credential.ts'

/** Who the credentials belong to, without a secret. */
export interface Identity {
  readonly url: string
  readonly kind: CredentialKind
  /** Of an admin token; `all` for the admin token of the instance. */
  readonly role: string | null
  readonly partner_id: string | null
  readonly partner_name: string | null
  readonly expires_at: string | null
  /** Where the credentials come from. */
  readonly source: string
}

/** Asks the service whether the credentials are valid, with the cheapest call that they allow. Throws CliError. */
export async function verifyIdentity(connection: Connection): Promise<Identity> {
  const { kind } = connection.credential
  const params = { partnerId: kind === 'partner' || kind === 'project' ? requirePartnerId(connection) : '' }
  if (kind === 'partner')
    return { ...identityOf(connection), partner_name: (await call(connection, GET_PARTNERSHIP_USAGE, { params, query: today() })).partnership.name }
  if (kind === 'project') await call(connection, GET_PROJECT_USAGE, { params: { ...params, projectId: requireProjectId(connection) }, query: today() })
  if (kind === 'emitter') await call(connection, LIST_OWN_REJECTED_EVENTS, { query: { limit: 1 } })
  if (kind === 'admin') await call(connection, LIST_SILENT_PROJECTS)
  return identityOf(connection)
}

/** What is known without a call. */
export function identityOf({ url, credential, source, partnerId }: Connection): Identity {
  const { kind, role, expiresMs } = credential
  return {
    url,
    kind,
    role: kind === 'admin' ? (role ?? 'all') : null,
    partner_id: kind === 'partner' || kind === 'project' ? (partnerId ?? null) : null,
    partner_name: null,
    expires_at: expiresMs === undefined ? null : new Date(expiresMs).toISOString(),
    source,
  }
}

/** A sentence for people. */
export function describeIdentity({ url, kind, role, partner_id, partner_name, expires_at }: Identity): string {
  const partner = partner_name === null ? `partner ${partner_id}` : `partner ${partner_name} (${partner_id})`
  const who = {
    admin: role === 'all' ? 'the admin token' : `an admin token of the role ${role}`,
    partner,
    emitter: 'an ingest key',
    project: `the code of a project of ${partner}`,
  }[kind]
  return `${who} at ${url}${expires_at === null ? '' : `, valid until ${expires_at}`}`
}

function today() {
  const day = new Date().toISOString().slice(0, 10)
  return { start_date: day, end_date: day }
}
