import type { FastifySchemaCompiler } from 'fastify'
import type { z } from 'zod'
import { choiceProblem } from '../../contract/choice.ts'

/** Checks a request against the route's schemas. A missing field is reported as required, not as having a wrong type, and a mistyped name with the one that is near. */
export const requestValidator: FastifySchemaCompiler<z.ZodType> =
  ({ schema }) =>
  (data: unknown) => {
    const parsed = schema.safeParse(data, { error: messageOf })
    return parsed.success ? { value: parsed.data } : { error: parsed.error.issues.map(faultOf) }
  }

/** For every body and query that is parsed, also for a part of a body. Undefined: what zod says. */
export function messageOf(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.input === undefined) return 'is required'
  if (issue.code !== 'invalid_value' || issue.values.length < 2) return undefined
  return choiceProblem(issue.input, issue.values.map(String))
}

/** In the form that Fastify expects. */
function faultOf({ code, path, message, ...params }: z.core.$ZodIssue) {
  const at = path.join('/')
  return { keyword: code, instancePath: `/${at}`, schemaPath: `#/${at}/${code}`, message, params }
}
