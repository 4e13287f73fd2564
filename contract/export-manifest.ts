import { z } from 'zod'
import { EXPORT_FORMAT_NAMES } from './export-formats.ts'
import { STATEMENT_LINES } from './fields.ts'

/**
 * What stands in an exported file, beside it. Values are texts, because a reader of JSON that knows only floating-point
 * numbers would round them.
 */
export const Manifest = z.object({
  generator: z.string().meta({ description: 'Program and version.' }),
  format: z.enum(EXPORT_FORMAT_NAMES),
  partner_id: z.string().nullable().meta({ description: 'null: all partners.' }),
  partners: z.number().int().meta({ description: 'How many partners are in it.' }),
  month: z.string().nullable(),
  from: z.string().meta({ description: 'First day.' }),
  to: z.string().meta({ description: 'Last day, inclusive.' }),
  status: z.enum(['closed', 'open']).meta({ description: 'open: usage may still be added, and the next export of the same may differ.' }),
  statement_sha256: z.string().nullable().meta({ description: 'Of a closed month of one partner: the hash of its canonical lines (the ndjson).' }),
  as_of: z.string().nullable().meta({ description: 'Usage is complete up to this time.' }),
  rows: z.number().int(),
  totals: z.array(z.object({ line: z.enum(STATEMENT_LINES), metric: z.string(), rows: z.number().int(), value: z.string() })),
})
export type Manifest = z.output<typeof Manifest>

/** With what is known only when the file is whole. */
export const FileManifest = Manifest.extend({ file: z.string(), bytes: z.number().int(), sha256: z.string() })
export type FileManifest = z.output<typeof FileManifest>

/** As one line of ASCII, for a header. */
export function manifestHeader(manifest: Manifest): string {
  return JSON.stringify(manifest).replaceAll(/[^ -~]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
