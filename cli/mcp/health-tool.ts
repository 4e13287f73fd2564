import { z } from 'zod'
import { callOperation } from '../../contract/client.ts'
import { GET_READINESS, GET_VERSION } from '../../contract/health.ts'
import { call, networkError } from '../http-client.ts'
import { defineTool } from './tool.ts'

export const health = defineTool({
  name: 'health',
  title: 'Health of the service',
  description: 'Whether the service accepts events, what an operator must check, and which version runs. Its status is ready or not_ready.',
  kinds: ['partner', 'admin'],
  input: z.strictObject({}),
  run: async (connection) => {
    const reply = await callOperation(connection, GET_READINESS).catch((cause: unknown) => {
      throw networkError(connection, cause)
    })
    const version = await call(connection, GET_VERSION)
    const readiness =
      reply.status === 'answered' ? { warnings: reply.answer.warnings ?? [], reason: null } : { warnings: [], reason: reply.failure.error?.message ?? null }
    return {
      answer: {
        period: null,
        as_of: null,
        status: reply.status === 'answered' ? 'ready' : 'not_ready',
        metrics: [],
        result: { url: connection.url, ...version, ...readiness },
      },
    }
  },
})
