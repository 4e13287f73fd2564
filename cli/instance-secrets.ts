import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { MASTER_KEY_BYTES, type MasterKey, masterKeyFrom } from '../registry/sealing.ts'
import type { Config } from './config.ts'

export interface InstanceSecrets {
  readonly adminToken: string
  /** Where the token is kept, when it was made here. */
  readonly adminTokenPath: string | undefined
  readonly masterKey: MasterKey
}

/** From the configuration, else made at the first start and kept in DATA_DIR, readable by this user alone. */
export function loadInstanceSecrets(config: Config): InstanceSecrets {
  const adminTokenPath = config.ADMIN_TOKEN === undefined ? join(config.DATA_DIR, 'admin-token') : undefined
  const adminToken = config.ADMIN_TOKEN ?? keptSecret(config.DATA_DIR, 'admin-token', () => randomBytes(32).toString('base64url'))
  const masterKeyText = config.MASTER_KEY ?? keptSecret(config.DATA_DIR, 'master-key', () => randomBytes(MASTER_KEY_BYTES).toString('base64'))
  const masterKey = masterKeyFrom(masterKeyText)
  if (masterKey === undefined)
    throw new Error(
      `${join(config.DATA_DIR, 'master-key')} does not hold ${MASTER_KEY_BYTES} bytes in base64. Restore it from your backup: without it no credential can be told.`,
    )
  return { adminToken, adminTokenPath, masterKey }
}

function keptSecret(directory: string, name: string, make: () => string): string {
  const path = join(directory, name)
  if (existsSync(path)) return readFileSync(path, 'utf8').trim()
  const secret = make()
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  writeFileSync(path, `${secret}\n`, { mode: 0o600, flag: 'wx' })
  return secret
}
