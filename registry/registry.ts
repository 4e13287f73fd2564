import type { ClickHouse } from '../sql/clickhouse.ts'
import type { RegistryChanges } from './changes.ts'
import type { CredentialCache } from './credentials/credential-cache.ts'
import type { IngestKey } from './credentials/ingest-keys.ts'
import type { LastUsed } from './credentials/last-used.ts'
import type { AuthenticatedPartner } from './credentials/partner-secrets.ts'
import type { CachedSigningKeys } from './keys/cached-signing-keys.ts'
import type { MasterKeys } from './keys/sealing.ts'
import type { ProjectOwners } from './projects/project-owners.ts'
import type { ProjectSenders } from './projects/project-senders.ts'
import type { RememberedProjects } from './projects/remembered-projects.ts'

/**
 * Partners, accounts, projects, credentials, secrets and keys. Opened once where a process starts (open-registry.ts) and
 * passed to the functions of this module, each of which declares the part that it needs.
 */
export interface Registry {
  readonly clickhouse: ClickHouse
  readonly changes: RegistryChanges
  readonly masterKeys: MasterKeys
  /** Key of the hashes under which credentials are stored. */
  readonly pepper: Buffer
  readonly partnerCache: CredentialCache<AuthenticatedPartner>
  readonly ingestKeyCache: CredentialCache<IngestKey>
  /** The ids of admin JWTs that are not revoked. */
  readonly adminTokenCache: CredentialCache<true>
  readonly lastUsed: LastUsed
  readonly projectOwners: ProjectOwners
  readonly projectSenders: ProjectSenders
  readonly rememberedProjects: RememberedProjects
  /** Template of a project's host: {slug} and {region} are filled in. */
  readonly projectHost: string
  /** Whether changes of projects are handed over to the platform, and done only when it has acknowledged them. */
  readonly provisions: boolean
  /** The keys that sign and verify tokens. */
  readonly signingKeys: CachedSigningKeys
  /** The URL under which the service is reached from outside: the issuer of its tokens. */
  readonly publicUrl: string
  /** In ms since 1970: decides which key signs and when tokens and secrets expire. */
  readonly now: () => number
}
