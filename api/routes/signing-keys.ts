import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { Instant } from '../../contract/fields.ts'
import { NextCursor, PageQuery } from '../../contract/pages.ts'
import { formatTimestamp, instantOrNull } from '../../metering/timestamp.ts'
import { KEY_STATES, stateOf } from '../../registry/keys/key-states.ts'
import { rotateSigningKey } from '../../registry/keys/rotate-signing-key.ts'
import { readSigningKeys } from '../../registry/keys/signing-keys.ts'
import { errorAnswers } from '../answers/error-answers.ts'
import { OPERATOR } from '../auth/access.ts'
import { actorOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'
import { pageOf, requireTimeCursor, writeTimeCursor } from '../requests/cursor.ts'

/** The keys that tokens are signed with. */
export function signingKeyRoutes(app: FastifyInstance, { clickhouse, registry }: ApiContext): void {
  const routes = app.withTypeProvider<ZodTypeProvider>()

  routes.post(
    '/admin/v1/signing-keys',
    {
      config: { access: OPERATOR },
      schema: {
        tags: ['admin'],
        summary: 'Rotate the key that tokens are signed with',
        description:
          'The new key is published at once and signs ten minutes later; tokens of the old one are good until they end. `withdraw` is for a key that is known to others: the new one signs at once, and all others are withdrawn with every token they have signed, project codes and admin tokens alike. Who verifies codes by a kept copy of the JWKS may take old ones for up to five minutes more.',
        body: z.strictObject({ withdraw: z.boolean().default(false) }).nullish(),
        response: { 201: z.object({ kid: z.string(), signs_from: Instant }), ...errorAnswers(400, 401, 415, 429, 500, 503) },
      },
    },
    async (request, reply) => {
      const { kid, signsFromMs } = await rotateSigningKey(registry, actorOf(request), { withdraw: request.body?.withdraw ?? false })
      return reply.code(201).send({ kid, signs_from: formatTimestamp(signsFromMs) })
    },
  )

  routes.get(
    '/admin/v1/signing-keys',
    {
      config: { access: OPERATOR },
      schema: {
        tags: ['admin'],
        summary: 'All keys that tokens were ever signed with, from the oldest on',
        description:
          '`next`, `signing` and `retiring` ones are published, the last until the codes it signed have ended. A `retired` one verifies the admin tokens it signed until they end, and nothing else; a `withdrawn` one nothing.',
        querystring: PageQuery,
        response: { 200: z.object({ signing_keys: z.array(SigningKeyAnswer), next_cursor: NextCursor }), ...errorAnswers(400, 401, 429, 500, 503) },
      },
    },
    async (request) => {
      const { limit, cursor } = request.query
      const after = requireTimeCursor(cursor, CURSOR_OF)
      // A state is told by all the keys there are: they are read whole, one of each rotation.
      const keys = await readSigningKeys(clickhouse)
      const nowMs = registry.now()
      const behind = keys.filter(({ createdMs, kid }) => createdMs > after.createdMs || (createdMs === after.createdMs && kid > after.id))
      const { shown, next_cursor } = pageOf(behind, limit, ({ createdMs, kid }) => writeTimeCursor(CURSOR_OF, { createdMs, id: kid }))
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
    },
  )
}

const CURSOR_OF = ['signing-keys']

const SigningKeyAnswer = z.object({
  kid: z.string(),
  created_at: Instant,
  signs_from: Instant,
  withdrawn_at: Instant.nullable(),
  state: z.enum(KEY_STATES),
})
