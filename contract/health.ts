import { z } from 'zod'
import { defineOperation } from './operation.ts'

const Ok = z.object({ status: z.literal('ok') })
const Ready = Ok.extend({
  warnings: z.array(z.string()).optional().meta({ description: 'What an operator must check although events are accepted. Left out when there is nothing.' }),
})

const BuildAnswer = z.object({
  version: z.string().meta({ description: 'The version of Meterline, as in `meterline --version`.' }),
  commit: z.string().optional().meta({ description: 'The git commit that the image was built from. Left out if the build did not name it.' }),
})
/** Which code a process runs. */
export type Build = z.output<typeof BuildAnswer>

export const GET_LIVENESS = defineOperation({
  method: 'GET',
  path: '/healthz',
  tag: 'operating',
  summary: 'Check that the process is alive',
  answers: { 200: Ok },
  errors: {},
  example: { answers: { 200: { status: 'ok' } } },
})

export const GET_READINESS = defineOperation({
  method: 'GET',
  path: '/readyz',
  tag: 'operating',
  summary: 'Check that events are accepted',
  description:
    'A process that is being stopped answers 503 with the code STOPPING for `DRAIN_MS` before it closes its port, so that a load balancer sends no new connections to it.',
  answers: { 200: Ready },
  errors: { 503: 'EVENTS_UNAVAILABLE' },
  example: { answers: { 200: { status: 'ok' } } },
})

export const GET_VERSION = defineOperation({
  method: 'GET',
  path: '/version',
  tag: 'operating',
  summary: 'Get the version of the process that answers',
  description: 'While processes are upgraded one after another, different ones answer.',
  answers: { 200: BuildAnswer },
  errors: { 429: true },
  example: { answers: { 200: { version: '0.1.0', commit: '0c7597d1f2a94a6e0f4a3fe6b7c3a7a3c1f7b0de' } } },
})
