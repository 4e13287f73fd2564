import { z } from 'zod'
import { isSecretKey } from '../../contract/secrets.ts'
import { defineQuery } from '../../sql/query.ts'
import { queryOne } from '../../sql/query-one.ts'
import type { RegistryReads } from '../changes.ts'
import type { Envelope } from './envelope.ts'

/** The latest time that the store can hold. */
export const SECRET_EXPIRES_MS_MAX = Date.UTC(2299, 11, 31)

/** The metadata of a secret, never its value. Times are in ms since 1970. */
export interface SecretFacts {
  readonly id: string
  readonly key: string
  /** False for a deleted secret. */
  readonly isActive: boolean
  /** A reserved secret cannot be deleted. */
  readonly isReserved: boolean
  readonly createdMs: number
  readonly updatedMs: number
  readonly expiresMs: number | null
}

export interface StoredSecret extends SecretFacts, Envelope {
  readonly revision: number
}

/** Whether its value may be read. */
export function isLive({ isActive, expiresMs }: SecretFacts, nowMs: number): boolean {
  return isActive && (expiresMs === null || nowMs < expiresMs)
}

/** Newest first. Throws StoreError. */
export function listSecrets({ clickhouse }: RegistryReads): Promise<SecretFacts[]> {
  return clickhouse.registry.query(allSecrets, {})
}

/** A text that cannot be a key is not found, like a key that does not exist. Throws StoreError. */
export async function findSecret({ clickhouse }: RegistryReads, key: string): Promise<StoredSecret | undefined> {
  if (!isSecretKey(key)) return undefined
  const [found] = await clickhouse.registry.query(secretByKey, { key })
  return found
}

/** By key; keys without a secret are left out. Throws StoreError. */
export async function findSecrets({ clickhouse }: RegistryReads, keys: readonly string[]): Promise<Map<string, StoredSecret>> {
  const found = await clickhouse.registry.query(secretsByKey, { keys: [...keys] })
  return new Map(found.map((each) => [each.key, each]))
}

/** Counts the keys in use, including those of deleted secrets. Throws StoreError. */
export async function countSecrets({ clickhouse }: RegistryReads): Promise<number> {
  const counted = await queryOne(clickhouse.registry, secretCount, {})
  return counted.secrets
}

const Flag = z.number().transform((value) => value === 1)

const FactsRow = z.object({
  id: z.string(),
  key: z.string(),
  isActive: Flag,
  isReserved: Flag,
  createdMs: z.coerce.number(),
  updatedMs: z.coerce.number(),
  expiresMs: z.coerce.number().nullable(),
})

const FACTS = `secret_id AS id, key, is_active AS isActive, is_reserved AS isReserved, toUnixTimestamp64Milli(created_at) AS createdMs,
          toUnixTimestamp64Milli(updated_at) AS updatedMs, toUnixTimestamp64Milli(expires_at) AS expiresMs`

const allSecrets = defineQuery({
  name: 'all_secrets',
  sql: `SELECT ${FACTS} FROM secrets_v1 FINAL ORDER BY created_at DESC, key`,
  params: z.object({}),
  row: FactsRow,
})

const SECRET_SELECT = `SELECT ${FACTS}, revision, sealed_data_key AS sealedDataKey, sealed_value AS sealedValue
        FROM secrets_v1 FINAL`
const SecretRow = FactsRow.extend({ revision: z.coerce.number(), sealedDataKey: z.string(), sealedValue: z.string() })

const secretByKey = defineQuery({
  name: 'secret_by_key',
  sql: `${SECRET_SELECT} WHERE key = {key: String}`,
  params: z.object({ key: z.string() }),
  row: SecretRow,
})

const secretsByKey = defineQuery({
  name: 'secrets_by_key',
  sql: `${SECRET_SELECT} WHERE key IN {keys: Array(String)}`,
  params: z.object({ keys: z.array(z.string()) }),
  row: SecretRow,
})

const secretCount = defineQuery({
  name: 'secret_count',
  sql: 'SELECT uniqExact(key) AS secrets FROM secrets_v1',
  params: z.object({}),
  row: z.object({ secrets: z.coerce.number() }),
})
