import type { FastifyInstance } from 'fastify'
import { REENCRYPT } from '../../contract/reencrypt.ts'
import { keyNameOf } from '../../registry/keys/sealing.ts'
import { reencryptSealed } from '../../registry/reencrypt.ts'
import { OPERATOR } from '../auth/access.ts'
import { actorOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { addRoute } from '../route.ts'

/** The third step of replacing MASTER_KEY: docs/operating/keys.md. */
export function reencrypt(app: FastifyInstance, { registry }: ApiContext): void {
  addRoute(app, REENCRYPT, { access: OPERATOR }, async (request) => {
    const { current, previous } = registry.masterKeys
    const { reencrypted, remaining } = await reencryptSealed(registry, actorOf(request))
    return { rewrapped: reencrypted, left: remaining, master_key: keyNameOf(current), previous_key: previous === undefined ? null : keyNameOf(previous) }
  })
}
