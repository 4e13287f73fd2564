import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { MASTER_KEY_BYTES, type MasterKeys, masterKeyFrom } from '../registry/keys/sealing.ts'
import type { Config } from './config.ts'
import { requirePrivate } from './secret-files.ts'
import { AdminToken, MasterKeyText } from './strong-secrets.ts'

export interface InstanceSecrets {
  readonly adminToken: string
  /** The file that holds the admin token; undefined if ADMIN_TOKEN is set. */
  readonly adminTokenPath: string | undefined
  readonly masterKeys: MasterKeys
}

/**
 * Reads the admin token and the master keys from the configuration or from files in DATA_DIR, which the first start creates
 * readable by this user only. If the store already holds sealed data, a missing master key is an error: a new key could not
 * decrypt any of it, and every credential would stop working.
 */
export function loadInstanceSecrets(config: Config, { storeHoldsSealedData }: { storeHoldsSealedData: boolean }): InstanceSecrets {
  const { DATA_DIR: directory } = config
  if (storeHoldsSealedData && config.MASTER_KEY === undefined && !existsSync(join(directory, 'master-key')))
    throw new Error(
      `${join(directory, 'master-key')} is missing, and the sealed data in this database cannot be decrypted without it. Restore the file from your backup, or set MASTER_KEY to its content. Nothing was changed.`,
    )
  const masterKeyText = config.MASTER_KEY ?? readOrCreateSecret(directory, 'master-key', () => randomBytes(MASTER_KEY_BYTES).toString('base64'))
  const current = masterKeyFrom(masterKeyText)
  if (current === undefined)
    throw new Error(
      `${join(directory, 'master-key')} does not contain ${MASTER_KEY_BYTES} bytes in base64. Restore it from your backup: without it no credential can be verified.`,
    )
  const weakness = MasterKeyText.safeParse(masterKeyText).error?.issues[0]?.message
  if (weakness !== undefined) throw new Error(`${join(directory, 'master-key')}: the key ${weakness}.`)
  const previous = config.MASTER_KEY_PREVIOUS === undefined ? undefined : masterKeyFrom(config.MASTER_KEY_PREVIOUS)
  const adminTokenPath = config.ADMIN_TOKEN === undefined ? join(directory, 'admin-token') : undefined
  const adminToken =
    config.ADMIN_TOKEN ??
    requireAdminToken(
      directory,
      readOrCreateSecret(directory, 'admin-token', () => randomBytes(32).toString('base64url')),
    )
  return { adminToken, adminTokenPath, masterKeys: { current, previous } }
}

/** The master keys of a process that needs no secrets of its own: undefined without MASTER_KEY, and never created. */
export function configuredMasterKeys({ MASTER_KEY, MASTER_KEY_PREVIOUS }: Config): MasterKeys | undefined {
  const current = masterKeyFrom(MASTER_KEY ?? '')
  return current === undefined ? undefined : { current, previous: masterKeyFrom(MASTER_KEY_PREVIOUS ?? '') }
}

/** A token that was written into the file by hand must meet the same rules as a configured one. */
function requireAdminToken(directory: string, token: string): string {
  const parsed = AdminToken.safeParse(token)
  if (parsed.success) return token
  const problems = parsed.error.issues.map(({ message }) => message).join(', ')
  throw new Error(`${join(directory, 'admin-token')}: the token ${problems}. Replace the token, or remove the file so that a new one is created.`)
}

function readOrCreateSecret(directory: string, name: string, create: () => string): string {
  const path = join(directory, name)
  if (existsSync(path)) {
    requirePrivate(path)
    return readFileSync(path, 'utf8').trim()
  }
  const secret = create()
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  writeFileSync(path, `${secret}\n`, { mode: 0o600, flag: 'wx' })
  return secret
}
