import { PARAMETER_EXAMPLES } from '../../contract/example-values.ts'
import type { Example } from '../../contract/operation.ts'

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

/** Puts the example of an operation of the contract into its description. */
export function addExample({ parameters, requestBody, responses }: Operation, example: Example | undefined): void {
  for (const parameter of parameters ?? []) {
    const value = parameter.in === 'path' ? PARAMETER_EXAMPLES[parameter.name] : undefined
    if (value !== undefined) parameter.example = value
  }
  if (example === undefined) return
  const body = requestBody?.content[JSON_TYPE]
  if (body !== undefined && example.request !== undefined) body.example = example.request
  for (const [status, answer] of Object.entries(example.answers)) {
    const media = responses[status]?.content?.[JSON_TYPE]
    if (media !== undefined) media.example = answer
  }
  for (const [type, lines] of Object.entries(example.files ?? {})) {
    const file = responses['200']?.content?.[type]
    if (file !== undefined) file.example = lines
  }
}

const JSON_TYPE = 'application/json'
