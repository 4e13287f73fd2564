import type { FastifySerializerCompiler } from 'fastify/types/schema.js'
import { z } from 'zod'
import { stringifyExactJson } from '../../metering/exact-json.ts'

/**
 * Checks an answer against its schema and writes it with exact numbers. An answer of another shape is a bug and becomes a 500:
 * no answer is better than a wrong one.
 */
export const exactSerializer: FastifySerializerCompiler<z.ZodType> = ({ schema, method, url }) => {
  return (answer) => {
    const checked = z.safeEncode(schema, answer)
    if (!checked.success) throw new Error(`The answer of ${method} ${url} does not match its schema: ${checked.error.message}`)
    return stringifyExactJson(checked.data)
  }
}
