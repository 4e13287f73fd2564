import type { FastifySerializerCompiler } from 'fastify/types/schema.js'
import { z } from 'zod'
import { stringifyExactJson } from '../../metering/exact-json.ts'

/**
 * Checks an answer against its schema and writes it with exact numbers. An answer of another shape is a fault of ours and
 * becomes a 500: better none than a wrong one.
 */
export const exactSerializer: FastifySerializerCompiler<z.ZodType> = ({ schema, method, url }) => {
  return (answer) => {
    const checked = z.safeEncode(schema, answer)
    if (!checked.success) throw new Error(`The answer of ${method} ${url} is not of its shape: ${checked.error.message}`)
    return stringifyExactJson(checked.data)
  }
}
