import type { FastifySchemaCompiler } from 'fastify'
import type { z } from 'zod'

/** Checks what is asked against a route's schemas. What is missing is said to be required, and not to be of a wrong type. */
export const requestValidator: FastifySchemaCompiler<z.ZodType> =
  ({ schema }) =>
  (data: unknown) => {
    const parsed = schema.safeParse(data, { error: ({ input }) => (input === undefined ? 'is required' : undefined) })
    return parsed.success ? { value: parsed.data } : { error: parsed.error.issues.map(faultOf) }
  }

/** As the framework has them. */
function faultOf({ code, path, message, ...params }: z.core.$ZodIssue) {
  const at = path.join('/')
  return { keyword: code, instancePath: `/${at}`, schemaPath: `#/${at}/${code}`, message, params }
}
