import type { ClickHouse } from '../sql/clickhouse.ts'
import { RegistryChanges } from './changes.ts'
import { CredentialCache } from './credentials/credential-cache.ts'
import { LastUsed } from './credentials/last-used.ts'
import { CachedSigningKeys } from './keys/cached-signing-keys.ts'
import { loadPepper } from './keys/pepper.ts'
import type { MasterKeys } from './keys/sealing.ts'
import { ProjectOwners } from './projects/project-owners.ts'
import { ProjectSenders } from './projects/project-senders.ts'
import { RememberedProjects } from './projects/remembered-projects.ts'
import type { Registry } from './registry.ts'

export interface RegistryOptions {
  readonly clickhouse: ClickHouse
  readonly masterKeys: MasterKeys
  /** Template of a project's host: {slug} and {region} are filled in. */
  readonly projectHost: string
  readonly publicUrl: string
  readonly provisions: boolean
  /** Default: the clock of this machine. */
  readonly now?: (() => number) | undefined
}

/** Throws StoreError, and Error when MASTER_KEY is not the key that the database was sealed with. */
export async function openRegistry(options: RegistryOptions): Promise<Registry> {
  const { clickhouse, masterKeys, now = Date.now } = options
  const changes = new RegistryChanges(clickhouse)
  return {
    ...options,
    pepper: await loadPepper({ clickhouse, changes, masterKeys }),
    changes,
    partnerCache: new CredentialCache(),
    ingestKeyCache: new CredentialCache(),
    adminTokenCache: new CredentialCache(),
    signingKeys: new CachedSigningKeys({ clickhouse, masterKeys, now }),
    now,
    lastUsed: new LastUsed(clickhouse),
    projectOwners: new ProjectOwners(clickhouse),
    projectSenders: new ProjectSenders(clickhouse),
    rememberedProjects: new RememberedProjects({ clickhouse }),
  }
}
