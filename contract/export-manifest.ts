import { z } from 'zod'
import { EXPORT_FORMAT_NAMES, FOCUS_VERSIONS, type FocusVersion, isFocus } from './export-formats.ts'
import { STATEMENT_LINES } from './lists.ts'

/**
 * Describes the content of an exported file and is delivered beside it. Values are texts, because JSON parsers that use
 * floating-point numbers would round them.
 */
export const Manifest = z.object({
  generator: z.string().meta({ description: 'Program and version.' }),
  format: z.enum(EXPORT_FORMAT_NAMES),
  focus_version: z.enum(FOCUS_VERSIONS).nullable().default(null).meta({ description: 'FOCUS only: the version of the specification.' }),
  include: z.enum(['byte_days']).optional().meta({ description: 'Whether the rows have the byte-days of peaks as well. Left out if not.' }),
  quantity: z.enum(['byte_days']).optional().meta({ description: 'FOCUS only: peaks are charged by their byte-days. Left out if by the peak.' }),
  guard: z
    .enum(['on', 'off'])
    .nullable()
    .default(null)
    .meta({ description: 'CSV only: whether texts that a spreadsheet would run as a formula have an apostrophe in front.' }),
  bom: z.boolean().nullable().default(null).meta({ description: 'CSV only: whether the file begins with a byte order mark.' }),
  partner_id: z.string().nullable().meta({ description: 'Null when the file contains all partners.' }),
  partners: z.number().int().meta({ description: 'Number of partners in the file.' }),
  month: z.string().nullable(),
  from: z.string().meta({ description: 'First day.' }),
  to: z.string().meta({ description: 'Last day, inclusive.' }),
  status: z.enum(['closed', 'open']).meta({ description: 'open: usage may still be added, so the next export with the same parameters may differ.' }),
  statement_sha256: z
    .string()
    .nullable()
    .meta({ description: 'For a closed month of one partner: the hash of its canonical lines, which are its export as ndjson.' }),
  as_of: z.string().nullable().meta({ description: 'Usage is complete up to this time.' }),
  rows: z.number().int(),
  totals: z.array(z.object({ line: z.enum(STATEMENT_LINES), metric: z.string(), rows: z.number().int(), value: z.string() })),
})
export type Manifest = z.output<typeof Manifest>

/** The version of FOCUS that a file has; undefined for other formats. Manifests did not name it while 1.2 was the only one. */
export function focusVersionOf({ format, focus_version }: Pick<Manifest, 'format' | 'focus_version'>): FocusVersion | undefined {
  return isFocus(format) ? (focus_version ?? '1.2') : undefined
}

/** Adds what is known only when the file is complete. */
export const FileManifest = Manifest.extend({ file: z.string(), bytes: z.number().int(), sha256: z.string() })
export type FileManifest = z.output<typeof FileManifest>

/** Of an object that a schedule delivered: it has nothing that differs between two deliveries of the same content. */
export const DeliveredManifest = Manifest.omit({ generator: true, guard: true, bom: true, statement_sha256: true, as_of: true }).extend({
  name: z.string(),
  revision: z.number().int(),
  bytes: z.number().int(),
  sha256: z.string(),
})

/** The manifest as one line of ASCII, for a header. */
export function manifestHeader(manifest: Manifest): string {
  return JSON.stringify(manifest).replaceAll(/[^ -~]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
