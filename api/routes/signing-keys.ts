import type { FastifyInstance } from 'fastify'
import { LIST_SIGNING_KEYS, ROTATE_SIGNING_KEY } from '../../contract/signing-keys.ts'
import { formatTimestamp, instantOrNull } from '../../metering/timestamp.ts'
import { stateOf } from '../../registry/keys/key-states.ts'
import { rotateSigningKey } from '../../registry/keys/rotate-signing-key.ts'
import { readSigningKeys } from '../../registry/keys/signing-keys.ts'
import { OPERATOR } from '../auth/access.ts'
import { actorOf } from '../auth/auth.ts'
import type { ApiContext, OperatorContext } from '../context.ts'
import { pageOf, requireTimeCursor, writeTimeCursor } from '../requests/cursor.ts'
import { addRoute } from '../route.ts'

export function rotateSigningKeyRoute(app: FastifyInstance, { registry }: ApiContext): void {
  addRoute(app, ROTATE_SIGNING_KEY, { access: OPERATOR }, async (request) => {
    const { kid, signsFromMs } = await rotateSigningKey(registry, actorOf(request), { withdraw: request.body?.withdraw ?? false })
    return { kid, signs_from: formatTimestamp(signsFromMs) }
  })
}

export function listSigningKeys(app: FastifyInstance, { clickhouse, registry }: OperatorContext): void {
  addRoute(app, LIST_SIGNING_KEYS, { access: OPERATOR }, async (request) => {
    const { limit, cursor } = request.query
    const after = requireTimeCursor(cursor, CURSOR_QUERY)
    // Every page reads all keys, because the state of one depends on the others. There are few: one per rotation.
    const keys = await readSigningKeys(clickhouse)
    const nowMs = registry.now()
    const rest = keys.filter(({ createdMs, kid }) => createdMs > after.createdMs || (createdMs === after.createdMs && kid > after.id))
    const { shown, next_cursor } = pageOf(rest, limit, ({ createdMs, kid }) => writeTimeCursor(CURSOR_QUERY, { createdMs, id: kid }))
    return {
      signing_keys: shown.map((key) => ({
        kid: key.kid,
        created_at: formatTimestamp(key.createdMs),
        signs_from: formatTimestamp(key.signsFromMs),
        withdrawn_at: instantOrNull(key.withdrawnMs),
        state: stateOf(keys, key, nowMs),
      })),
      next_cursor,
    }
  })
}

const CURSOR_QUERY = ['signing-keys']
