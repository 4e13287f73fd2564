import { randomBytes, randomUUID } from 'node:crypto'
import { row } from '../../sql/tab-separated.ts'
import type { Change } from '../changes.ts'
import type { MasterKeys } from '../keys/sealing.ts'
import { sealValue } from './envelope.ts'
import { locationOfWebhookSecret, type WebhookSecret } from './webhook-secrets.ts'

/** In one insert, so that an exchange is stored whole or not at all. */
export async function writeWebhookSecrets(change: Change, secrets: readonly WebhookSecret[]): Promise<void> {
  const fieldsOf = ({ endpointId, id, revision, sealedDataKey, sealedValue, createdMs, expiresMs }: WebhookSecret) => {
    return [endpointId, id, revision, sealedDataKey, sealedValue, createdMs, expiresMs]
  }
  await change.write('webhook_secrets_inbox_v1', COLUMNS, (owner) => secrets.map((each) => row([...owner, ...fieldsOf(each)])).join(''))
}

const COLUMNS = ['endpoint_id', 'secret_id', 'revision', 'sealed_data_key', 'sealed_value', 'created_ms', 'expires_ms']
const SECRET_BYTES = 32

/** A new secret as Standard Webhooks writes it, and what is stored of it. */
export function newWebhookSecret(masterKeys: MasterKeys, endpointId: string, nowMs: number): { secret: string; stored: WebhookSecret } {
  const secret = `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`
  const id = randomUUID()
  const envelope = sealValue(masterKeys, locationOfWebhookSecret({ id, endpointId }), secret)
  return { secret, stored: { id, endpointId, revision: 1, createdMs: nowMs, expiresMs: null, ...envelope } }
}
