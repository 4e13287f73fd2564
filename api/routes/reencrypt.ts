import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { keyNameOf } from '../../registry/keys/sealing.ts'
import { reencryptSealed, SEALED_KINDS, type SealedKind } from '../../registry/reencrypt.ts'
import { errorAnswers } from '../answers/error-answers.ts'
import { OPERATOR } from '../auth/access.ts'
import { actorOf } from '../auth/auth.ts'
import type { ApiContext } from '../context.ts'

/** The third step of exchanging MASTER_KEY: docs/operating/keys.md. */
export function rewrapRoutes(app: FastifyInstance, { registry }: ApiContext): void {
  app.withTypeProvider<ZodTypeProvider>().post(
    '/admin/v1/keys/rewrap',
    {
      config: { access: OPERATOR },
      schema: {
        tags: ['admin'],
        summary: 'Seal with MASTER_KEY what MASTER_KEY_PREVIOUS sealed',
        description:
          'After all processes have both keys. It works for at most a minute: ask again while `left` gets less. When it is 0, MASTER_KEY_PREVIOUS can go. What is left and gets no less, neither key opens. Repeated it changes nothing.',
        response: { 200: RewrapAnswer, ...errorAnswers(400, 401, 403, 415, 429, 500, 503) },
      },
    },
    async (request) => {
      const { current, previous } = registry.masterKeys
      const { reencrypted, remaining } = await reencryptSealed(registry, actorOf(request))
      return { rewrapped: reencrypted, left: remaining, master_key: keyNameOf(current), previous_key: previous === undefined ? null : keyNameOf(previous) }
    },
  )
}

const Count = z.number().int()

const RewrapAnswer = z.object({
  rewrapped: z.object(Object.fromEntries(SEALED_KINDS.map((kind) => [kind, Count])) as Record<SealedKind, typeof Count>),
  master_key: z.string().meta({ description: 'Eight digits that tell MASTER_KEY from other keys, and nothing about it: docs/operating/keys.md.' }),
  previous_key: z.string().nullable().meta({ description: 'The same of MASTER_KEY_PREVIOUS; null where none is set.' }),
  left: Count.meta({ description: 'How many are still sealed with another key than MASTER_KEY.' }),
})
