import { open, readFile, rename, rm } from 'node:fs/promises'
import { basename } from 'node:path'
import { z } from 'zod'
import { CliError } from '../errors.ts'
import { nameOf, STDIN } from './open-content.ts'
import { FORMATS } from './recognise.ts'

const Count = z.number().int().nonnegative()
const Counts = z.object({
  rows: Count,
  accepted: Count,
  /** Null if the service detects them later. */
  duplicates: Count.nullable(),
  rejected: Count,
  /** Rows whose id was made from the row. */
  derived_ids: Count,
})
export type Counts = z.output<typeof Counts>

/** How far the import of a file has come: all rows before the position have an outcome. */
const SavedPosition = z.object({
  version: z.literal(1),
  file: z.string(),
  /** What the import was called with; another call is another import. */
  call: z.object({
    url: z.string(),
    map: z.record(z.string(), z.string()),
    set: z.record(z.string(), z.string()),
    source: z.string(),
    rejects: z.string().nullable(),
  }),
  format: z.enum(FORMATS),
  delimiter: z.string().nullable(),
  header: z.array(z.string()).nullable(),
  position: z.object({ bytes: Count, lines: Count, rows: Count, depth: Count }),
  /** Of the content before the position. */
  sha256: z.string(),
  counts: Counts,
  /** The length of the file of rejected rows. */
  rejects_bytes: Count,
})
export type SavedPosition = z.output<typeof SavedPosition>

export const NO_COUNTS: Counts = { rows: 0, accepted: 0, duplicates: 0, rejected: 0, derived_ids: 0 }

function positionPathOf(file: string): string {
  return `${file}.meterline-import.json`
}

/** Undefined if no import of the file was interrupted; nothing is known about stdin. Throws CliError for a file that this program did not write. */
export async function readPosition(file: string): Promise<SavedPosition | undefined> {
  if (file === STDIN) return undefined
  const path = positionPathOf(file)
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
    throw new CliError(`${path} cannot be read (${error.message}).`)
  })
  if (text === undefined) return undefined
  try {
    return SavedPosition.parse(JSON.parse(text))
  } catch {
    throw new CliError(`${path} is not what an interrupted import writes.`, undefined, { next: START_OVER })
  }
}

/** Replaces the saved position as a whole: a kill leaves the old one or the new one. Throws CliError. */
export async function writePosition(file: string, position: SavedPosition): Promise<void> {
  const path = positionPathOf(file)
  const temporary = `${path}.part`
  try {
    const handle = await open(temporary, 'w')
    try {
      await handle.writeFile(`${JSON.stringify(position)}\n`)
      await handle.datasync()
    } finally {
      await handle.close()
    }
    await rename(temporary, path)
  } catch (cause) {
    throw new CliError(`The position of the import cannot be written to ${path} (${cause instanceof Error ? cause.message : String(cause)}).`, undefined, {
      next: `Copy the file to a directory that can be written, or use a pipe, which cannot be resumed: meterline import - < ${basename(file)}`,
    })
  }
}

export async function removePosition(file: string): Promise<void> {
  if (file !== STDIN) await rm(positionPathOf(file), { force: true })
}

/** Throws CliError if the interrupted import was called in another way. */
export function requireSameCall(file: string, saved: SavedPosition, call: SavedPosition['call']): void {
  const different = (Object.keys(call) as (keyof typeof call)[]).find((key) => JSON.stringify(saved.call[key]) !== JSON.stringify(call[key]))
  if (different === undefined) return
  const was = typeof saved.call[different] === 'string' ? ` (${String(saved.call[different])})` : ''
  throw new CliError(`An import of ${nameOf(file)} was interrupted that had another ${different === 'url' ? 'service' : `--${different}`}${was}.`, undefined, {
    next: `Repeat that call to complete it. ${START_OVER}`,
  })
}

export const START_OVER = 'Or begin from the first row with --restart: rows that were counted are not counted again.'
