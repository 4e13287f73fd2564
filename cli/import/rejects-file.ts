import { open, stat } from 'node:fs/promises'
import { CliError, usageError } from '../errors.ts'
import { type ReadRow, textOf } from './read-event.ts'

/** A rejected row, for people and programs. */
export interface RejectedRow {
  readonly file: string
  readonly line: number
  readonly event_id: string | null
  readonly reason: string
  readonly message: string
}

/** Writes rejected rows as events that can be corrected and imported: one JSON object a line, with the id and the reason. */
export interface RejectsFile {
  /** Returns the length of the file afterwards. */
  append(rejected: readonly { readonly read: ReadRow; readonly rejection: RejectedRow }[]): Promise<number>
  close(): Promise<void>
}

/**
 * Opens the file. `keepBytes` is its length when the import was interrupted: what was written after that is written again. Throws CliError if
 * there is such a file from another import, because it may hold rows that nobody has corrected yet.
 */
export async function openRejects(path: string, keepBytes: number | undefined): Promise<RejectsFile> {
  const found = await stat(path).catch(() => undefined)
  if (keepBytes === undefined && found !== undefined) throw usageError(`--rejects ${path}: there is such a file already.`, 'Choose another name, or delete it.')
  if ((keepBytes ?? 0) > (found?.size ?? 0)) throw new CliError(`${path} is shorter than what the interrupted import wrote to it. Start over with --restart.`)
  const handle = await open(path, keepBytes === undefined ? 'wx' : 'r+').catch((cause: unknown) => {
    throw new CliError(`--rejects ${path} cannot be written (${cause instanceof Error ? cause.message : String(cause)}).`)
  })
  let bytes = keepBytes ?? 0
  await handle.truncate(bytes)
  return {
    append: async (rejected) => {
      const text = Buffer.from(rejected.map(({ read, rejection }) => `${lineOf(read, rejection)}\n`).join(''))
      if (text.length > 0) await handle.write(text, 0, text.length, bytes)
      bytes += text.length
      return bytes
    },
    close: () => handle.close(),
  }
}

/** The service ignores what is no field of an event, so the line can be imported as it is. */
function lineOf({ fields, row }: ReadRow, { file, line, reason, message }: RejectedRow): string {
  const why = JSON.stringify({ rejected: { file, line, reason, message }, ...(fields === undefined ? { original: row.bytes.toString('utf8') } : {}) })
  return fields === undefined ? why : `${textOf(fields).slice(0, -1)},${why.slice(1)}`
}
