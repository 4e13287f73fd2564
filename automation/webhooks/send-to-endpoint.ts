import { randomBytes } from 'node:crypto'
import { TEST_EVENT } from '../../contract/webhook-events.ts'
import { type Networks, parseCallableUrl, type Resolve } from '../../outgoing/public-address.ts'
import { parseSigningKeys, sendWebhook, type WebhookLimits } from '../../outgoing/send-webhook.ts'
import type { SecretStore } from '../../registry/secrets/change-secrets.ts'
import { openWebhookSecrets, readWebhookSecrets } from '../../registry/secrets/webhook-secrets.ts'
import { type Attempt, attemptOutcome, TEST_MESSAGE_PREFIX, writeAttempt } from './attempts.ts'
import type { Endpoint } from './endpoints.ts'
import { messageBody } from './messages.ts'
import type { PendingMessage } from './pending-messages.ts'

export interface SenderOptions {
  readonly registry: SecretStore
  /** Networks that may be called although they are not public. */
  readonly allowed: Networks
  /** How names are resolved. Default: by the system. */
  readonly resolve?: Resolve | undefined
  /** Undefined: the defaults of outgoing/send-webhook.ts. */
  readonly webhook?: WebhookLimits | undefined
}

export interface Sent {
  /** Not stored yet. */
  readonly attempt: Attempt
  /** What the receiver asked for. */
  readonly retryAfterMs: number | undefined
}

/** Sends a message once, signed with every secret that is valid now. Throws StoreError, and SealBroken without the right MASTER_KEY. */
export async function sendToEndpoint(
  { registry, allowed, resolve, webhook }: SenderOptions,
  endpoint: Endpoint,
  { id: messageId, body, request }: Pick<PendingMessage, 'id' | 'body' | 'request'>,
): Promise<Sent> {
  const atMs = registry.now()
  const secrets = openWebhookSecrets(registry.masterKeys, await readWebhookSecrets(registry, endpoint.id), atMs)
  const keys = parseSigningKeys(secrets.join())
  const url = parseCallableUrl(endpoint.url)
  if (keys === undefined || url === undefined) throw new Error('The stored URL or secret of a webhook is not valid.')
  const startedMs = performance.now()
  const target = { url, keys, allowed, ...(resolve === undefined ? {} : { resolve }) }
  const outcome = await sendWebhook(target, { id: messageId, timestampS: Math.floor(atMs / MS_PER_SECOND), body: Buffer.from(body, 'utf8') }, webhook)
  const durationMs = Math.round(performance.now() - startedMs)
  const attempt = { endpointId: endpoint.id, messageId, request, atMs, durationMs, ...attemptOutcome(outcome) }
  return { attempt, retryAfterMs: 'retryAfterMs' in outcome ? outcome.retryAfterMs : undefined }
}

/** Sends a message that only shows whether deliveries arrive, and returns how it went. Throws like sendToEndpoint. */
export async function sendTestMessage(options: SenderOptions, endpoint: Endpoint): Promise<Attempt> {
  const id = `${TEST_MESSAGE_PREFIX}${randomBytes(ID_BYTES).toString('hex')}`
  const body = messageBody(TEST_EVENT, options.registry.now(), { webhook_id: endpoint.id })
  const { attempt } = await sendToEndpoint(options, endpoint, { id, body, request: 0 })
  await writeAttempt(options.registry.clickhouse, attempt)
  return attempt
}

const ID_BYTES = 12
const MS_PER_SECOND = 1_000
