import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SERVICE } from '../../../registry/audit-log.ts'
import { MASTER_KEY_BYTES, masterKeyFrom, SealBroken } from '../../../registry/keys/sealing.ts'
import { reencryptSealed } from '../../../registry/reencrypt.ts'
import { openWebhookSecrets, readWebhookSecrets } from '../../../registry/secrets/webhook-secrets.ts'
import { WebhookWorld } from '../../support/worlds/webhook-world.ts'

let world: WebhookWorld
beforeAll(async () => {
  world = await WebhookWorld.open()
})
afterAll(() => world.close())

test('the secret of a webhook is encrypted, is bound to its webhook, and follows a change of MASTER_KEY', async () => {
  const { endpoint, secret } = await world.endpoint('https://hooks.invalid/')
  const { registry } = world
  const { nowMs } = world.clock
  const [stored] = await readWebhookSecrets(registry, endpoint.id)
  if (stored === undefined) throw new Error('There is no secret.')
  expect(JSON.stringify(stored)).not.toContain(secret.slice('whsec_'.length))
  expect(openWebhookSecrets(registry.masterKeys, [stored], nowMs)).toEqual([secret])
  expect(() => openWebhookSecrets(registry.masterKeys, [{ ...stored, endpointId: 'wh_other' }], nowMs)).toThrow(SealBroken)
  const current = masterKeyFrom(randomBytes(MASTER_KEY_BYTES).toString('base64'))
  if (current === undefined) throw new Error('The new key is not valid.')
  const masterKeys = { current, previous: registry.masterKeys.current }
  expect(await reencryptSealed({ ...registry, masterKeys }, SERVICE)).toMatchObject({ reencrypted: { webhook_secrets: 1 }, remaining: 0 })
  const secrets = await readWebhookSecrets(registry, endpoint.id)
  expect(openWebhookSecrets({ current, previous: undefined }, secrets, nowMs)).toEqual([secret])
  expect(() => openWebhookSecrets(registry.masterKeys, secrets, nowMs)).toThrow(SealBroken)
})
