import { createPrivateKey, type KeyObject } from 'node:crypto'
import { z } from 'zod'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { row } from '../../sql/tab-separated.ts'
import type { Change } from '../changes.ts'
import type { KeyTimes } from './key-states.ts'
import { type MasterKeys, unseal } from './sealing.ts'

/** An RSA key that signs tokens, as it is stored. */
export interface SigningKey extends KeyTimes {
  readonly revision: number
  readonly publicJwk: PublicJwk
  /** PKCS #8, opened by `openPrivateKey`. */
  readonly sealedPrivateKey: string
}

/** The public members of a key (RFC 7518, 6.3.1). Parsing drops all others, so that no private member can be published. */
export const PublicJwk = z.object({ kty: z.literal('RSA'), n: z.string(), e: z.string() })
export type PublicJwk = z.output<typeof PublicJwk>

export function openPrivateKey({ masterKeys }: { masterKeys: MasterKeys }, { kid, sealedPrivateKey }: SigningKey): KeyObject {
  return createPrivateKey({ key: unseal(masterKeys, sealedPrivateKey, privateKeyPurpose(kid)), format: 'der', type: 'pkcs8' })
}

/** All keys, including retired and withdrawn ones. Throws StoreError. */
export async function readSigningKeys({ registry }: ClickHouse): Promise<SigningKey[]> {
  const rows = await registry.query(allSigningKeys, {})
  return rows.map(({ publicJwk, ...key }) => ({ ...key, publicJwk: PublicJwk.parse(JSON.parse(publicJwk)) }))
}

/** One insert, so that keys are never withdrawn without their successor and never sign beside it. */
export async function writeSigningKeys(change: Change, keys: readonly SigningKey[]): Promise<void> {
  await change.write('signing_keys_inbox_v1', KEY_COLUMNS, (owner) =>
    keys
      .map(({ kid, revision, publicJwk, sealedPrivateKey, createdMs, signsFromMs, withdrawnMs }) =>
        row([...owner, kid, revision, JSON.stringify(publicJwk), sealedPrivateKey, createdMs, signsFromMs, withdrawnMs]),
      )
      .join(''),
  )
}

/** Binds a sealed private key to its kid: it does not open under another one. */
export function privateKeyPurpose(kid: string): string {
  return `signing-key:${kid}`
}

const KEY_COLUMNS = ['kid', 'revision', 'public_jwk', 'sealed_private_key', 'created_ms', 'signs_from_ms', 'withdrawn_ms']

const allSigningKeys = defineQuery({
  name: 'all_signing_keys',
  sql: `SELECT kid, revision, public_jwk AS publicJwk, sealed_private_key AS sealedPrivateKey, toUnixTimestamp64Milli(created_at) AS createdMs,
          toUnixTimestamp64Milli(signs_from) AS signsFromMs, toUnixTimestamp64Milli(withdrawn_at) AS withdrawnMs
        FROM signing_keys_v1 FINAL ORDER BY created_at, kid`,
  params: z.object({}),
  row: z.object({
    kid: z.string(),
    revision: z.coerce.number(),
    publicJwk: z.string(),
    sealedPrivateKey: z.string(),
    createdMs: z.coerce.number(),
    signsFromMs: z.coerce.number(),
    withdrawnMs: z.coerce.number().nullable(),
  }),
})
