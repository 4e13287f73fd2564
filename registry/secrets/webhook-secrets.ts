import { z } from 'zod'
import { defineQuery } from '../../sql/query.ts'
import type { RegistryReads } from '../changes.ts'
import type { MasterKeys } from '../keys/sealing.ts'
import { type Envelope, openValue, type SecretLocation } from './envelope.ts'

/** A secret that signs the messages of a webhook. Times in ms since 1970. */
export interface WebhookSecret extends Envelope {
  readonly id: string
  readonly endpointId: string
  readonly revision: number
  readonly createdMs: number
  /** From then on it signs no more; null for the newest one. */
  readonly expiresMs: number | null
}

/** The secrets that sign now, the newest first. Throws SealBroken when a row was changed after it was sealed. */
export function openWebhookSecrets(masterKeys: MasterKeys, secrets: readonly WebhookSecret[], nowMs: number): string[] {
  return secrets.filter(({ expiresMs }) => expiresMs === null || nowMs < expiresMs).map((each) => openValue(masterKeys, locationOfWebhookSecret(each), each))
}

/** No secret of an operator has this key, because those have capital letters only. */
export function locationOfWebhookSecret({ id, endpointId }: Pick<WebhookSecret, 'id' | 'endpointId'>): SecretLocation {
  return { id, key: `webhook/${endpointId}` }
}

/** All secrets of an endpoint, the newest first. Throws StoreError. */
export function readWebhookSecrets({ clickhouse }: RegistryReads, endpointId: string): Promise<WebhookSecret[]> {
  return clickhouse.registry.query(secretsOfWebhook, { endpointId })
}

/** By their ids; those that do not exist are left out. Throws StoreError. */
export function findWebhookSecrets({ clickhouse }: RegistryReads, ids: readonly string[]): Promise<WebhookSecret[]> {
  return clickhouse.registry.query(webhookSecretsById, { ids: [...ids] })
}

const SecretRow = z.object({
  id: z.string(),
  endpointId: z.string(),
  revision: z.coerce.number(),
  sealedDataKey: z.string(),
  sealedValue: z.string(),
  createdMs: z.coerce.number(),
  expiresMs: z.coerce.number().nullable(),
})

const SECRET_SELECT = `SELECT secret_id AS id, endpoint_id AS endpointId, revision, sealed_data_key AS sealedDataKey, sealed_value AS sealedValue,
          toUnixTimestamp64Milli(created_at) AS createdMs, toUnixTimestamp64Milli(expires_at) AS expiresMs
        FROM webhook_secrets_v1 FINAL`

const secretsOfWebhook = defineQuery({
  name: 'secrets_of_webhook',
  sql: `${SECRET_SELECT} WHERE endpoint_id = {endpointId: String} ORDER BY created_at DESC, secret_id`,
  params: z.object({ endpointId: z.string() }),
  row: SecretRow,
})

const webhookSecretsById = defineQuery({
  name: 'webhook_secrets_by_id',
  sql: `${SECRET_SELECT} WHERE secret_id IN {ids: Array(String)}`,
  params: z.object({ ids: z.array(z.string()) }),
  row: SecretRow,
})
