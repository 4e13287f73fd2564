import { PARAMETER_EXAMPLES } from '../../contract/example-values.ts'
import type { Example } from '../../contract/operation.ts'
import { ADMIN_EXAMPLES } from './examples/admin.ts'
import { OPERATION_EXAMPLES } from './examples/operations.ts'
import { PROJECT_EXAMPLES } from './examples/projects.ts'
import { USAGE_EXAMPLES } from './examples/usage.ts'

const EXAMPLES: Readonly<Record<string, Example>> = {
  ...OPERATION_EXAMPLES,
  ...USAGE_EXAMPLES,
  ...PROJECT_EXAMPLES,
  ...ADMIN_EXAMPLES,
}

interface Media {
  schema?: object
  example?: unknown
}

export interface Operation {
  operationId?: string
  parameters?: { in: string; name: string; schema?: object; example?: unknown }[]
  requestBody?: { content: Record<string, Media> }
  responses: Record<string, { description?: string; content?: Record<string, Media>; headers?: Record<string, object> }>
}

/** Puts the example of a route into its description, where the route has none of its own. `route`: such as `GET /healthz`. */
export function addExample(route: string, { parameters, requestBody, responses }: Operation, own: Example | undefined): void {
  const example = own ?? EXAMPLES[route]
  for (const parameter of parameters ?? []) {
    const known = parameter.in === 'path' ? PARAMETER_EXAMPLES[parameter.name] : undefined
    if (known !== undefined) parameter.example = known
  }
  if (example === undefined) return
  const asked = requestBody?.content[JSON_TYPE]
  if (asked !== undefined && example.request !== undefined) asked.example = example.request
  for (const [status, answer] of Object.entries(example.answers)) {
    const answered = responses[status]?.content?.[JSON_TYPE]
    if (answered !== undefined) answered.example = answer
  }
  for (const [type, lines] of Object.entries(example.files ?? {})) {
    const file = responses['200']?.content?.[type]
    if (file !== undefined) file.example = lines
  }
}

const JSON_TYPE = 'application/json'
