import { readdir, readFile } from 'node:fs/promises'
import { basename, dirname, join, parse, resolve } from 'node:path'
import { EXPORT_FORMATS } from '../contract/export-formats.ts'
import { DeliveredManifest, FileManifest } from '../contract/export-manifest.ts'
import { manifestPathOf } from './commands/export.ts'
import { CliError } from './errors.ts'

/** What is known of an exported file. The manifest of a delivery does not have the hash of the statement (undefined). */
export type KnownFile = Omit<FileManifest, 'generator' | 'as_of' | 'file' | 'statement_sha256'> & {
  readonly statement_sha256: string | null | undefined
}

/** Reads the manifest of a file: the given one, else the one beside it of "meterline export" or of a delivery. Throws CliError. */
export async function readFileManifest(file: string, given: string | undefined): Promise<KnownFile> {
  const path = given === undefined ? await findManifest(file) : resolve(given)
  const text = await readFile(path, 'utf8').catch(() => {
    throw new CliError(`The manifest ${path} cannot be read.`, undefined, { code: 'FILE_NOT_FOUND', next: 'Name it with --manifest <file>.' })
  })
  const manifest = parseManifest(text)
  if (manifest === undefined) throw new CliError(`${path} is not the manifest of an export.`)
  return manifest
}

async function findManifest(file: string): Promise<string> {
  const ofExport = manifestPathOf(file)
  const names = new Set(await readdir(dirname(file)))
  if (names.has(basename(ofExport))) return ofExport
  const { name: base, dir } = parse(file)
  const revisions = [...names].flatMap((name) => (name.startsWith(`${base}.r`) ? (REVISION.exec(name.slice(base.length))?.[1] ?? []) : [])).map(Number)
  if (revisions.length > 0) return join(dir, `${base}.r${Math.max(...revisions)}.manifest.json`)
  throw new CliError(`There is no manifest beside ${file}, so it may be incomplete.`, undefined, {
    code: 'FILE_NOT_FOUND',
    next: `Copy ${basename(ofExport)}, or of a delivery ${base}.r<revision>.manifest.json, beside it, or name it with --manifest <file>. If there is none, export again.`,
  })
}

/** The names that automation/deliveries/object-names.ts gives to manifests, after that of the object. */
const REVISION = /^\.r(\d+)\.manifest\.json$/

function parseManifest(text: string): KnownFile | undefined {
  let read: unknown
  try {
    read = JSON.parse(text)
  } catch {
    return undefined
  }
  const ofExport = FileManifest.safeParse(read)
  if (ofExport.success) return ofExport.data
  const delivered = DeliveredManifest.safeParse(read)
  if (!delivered.success) return undefined
  // Deliveries are for programs: their texts are never guarded.
  const guard = EXPORT_FORMATS[delivered.data.format].container === 'csv' ? 'off' : null
  return { ...delivered.data, guard, bom: null, statement_sha256: undefined }
}
