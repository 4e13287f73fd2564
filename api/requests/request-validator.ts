import type { FastifySchemaCompiler } from 'fastify'
import type { z } from 'zod'

/** Checks a request against the route's schemas. A missing field is reported as required, not as having a wrong type. */
export const requestValidator: FastifySchemaCompiler<z.ZodType> =
  ({ schema }) =>
  (data: unknown) => {
    const parsed = schema.safeParse(data, { error: ({ input }) => (input === undefined ? 'is required' : undefined) })
    return parsed.success ? { value: parsed.data } : { error: parsed.error.issues.map(faultOf) }
  }

/** In the form that Fastify expects. */
function faultOf({ code, path, message, ...params }: z.core.$ZodIssue) {
  const at = path.join('/')
  return { keyword: code, instancePath: `/${at}`, schemaPath: `#/${at}/${code}`, message, params }
}
