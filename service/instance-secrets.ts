import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { MASTER_KEY_BYTES, type MasterKeys, masterKeyFrom } from '../registry/keys/sealing.ts'
import { AdminToken, type Config } from './config.ts'

export interface InstanceSecrets {
  readonly adminToken: string
  /** Where the token is kept, when it was made here. */
  readonly adminTokenPath: string | undefined
  readonly masterKeys: MasterKeys
}

/**
 * From the configuration, else made at the first start and kept in DATA_DIR, readable by this user alone. Where the store holds
 * what was sealed already, a master key that is missing is lost: another one would open nothing of it.
 */
export function loadInstanceSecrets(config: Config, { storeIsSealed }: { storeIsSealed: boolean }): InstanceSecrets {
  const { DATA_DIR: directory } = config
  if (storeIsSealed && config.MASTER_KEY === undefined && !existsSync(join(directory, 'master-key')))
    throw new Error(
      `${join(directory, 'master-key')} is missing, and nothing that is sealed in this database can be opened without it. Restore the file from your backup, or set MASTER_KEY to what it held. Nothing was changed.`,
    )
  const masterKeyText = config.MASTER_KEY ?? keptSecret(directory, 'master-key', () => randomBytes(MASTER_KEY_BYTES).toString('base64'))
  const current = masterKeyFrom(masterKeyText)
  if (current === undefined)
    throw new Error(
      `${join(directory, 'master-key')} does not hold ${MASTER_KEY_BYTES} bytes in base64. Restore it from your backup: without it no credential can be told.`,
    )
  const previous = config.MASTER_KEY_PREVIOUS === undefined ? undefined : masterKeyFrom(config.MASTER_KEY_PREVIOUS)
  const adminTokenPath = config.ADMIN_TOKEN === undefined ? join(directory, 'admin-token') : undefined
  const adminToken =
    config.ADMIN_TOKEN ??
    requireAdminToken(
      directory,
      keptSecret(directory, 'admin-token', () => randomBytes(32).toString('base64url')),
    )
  return { adminToken, adminTokenPath, masterKeys: { current, previous } }
}

/** Put there by hand, it must be as good as one that is configured. */
function requireAdminToken(directory: string, token: string): string {
  const parsed = AdminToken.safeParse(token)
  if (parsed.success) return token
  const mistakes = parsed.error.issues.map(({ message }) => message).join(', ')
  throw new Error(`${join(directory, 'admin-token')}: the token ${mistakes}. Put a better one there, or remove the file: then one is made.`)
}

function keptSecret(directory: string, name: string, make: () => string): string {
  const path = join(directory, name)
  if (existsSync(path)) return readFileSync(path, 'utf8').trim()
  const secret = make()
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  writeFileSync(path, `${secret}\n`, { mode: 0o600, flag: 'wx' })
  return secret
}
