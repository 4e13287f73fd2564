import { z } from 'zod'
import { defineOperation } from './operation.ts'

const Ok = z.object({ status: z.literal('ok') })
const Ready = Ok.extend({
  warnings: z.array(z.string()).optional().meta({ description: 'What an operator must check although events are accepted. Left out when there is nothing.' }),
})

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
  answers: { 200: Ready },
  errors: { 503: 'EVENTS_UNAVAILABLE' },
  example: { answers: { 200: { status: 'ok' } } },
})
