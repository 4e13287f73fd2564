import { readFile } from 'node:fs/promises'
import { text as textOf } from 'node:stream/consumers'
import { usageError } from '../../errors.ts'

export interface FileEntry {
  readonly value: unknown
  /** In an NDJSON file, from 1 on. */
  readonly line: number | null
}

const LINES_REPORTED_MAX = 10

/** The entries of an NDJSON file or of a JSON array; "-" is stdin. Throws CliError, which names the lines that are not JSON. */
export async function readEntries(file: string, option: string): Promise<FileEntry[]> {
  const text = (await readText(file, option)).replace(/^\uFEFF/, '')
  const entries = text.trimStart().startsWith('[') ? entriesOfArray(text, file) : entriesOfLines(text, file)
  if (entries.length === 0) throw usageError(`${nameOf(file)} contains no entry.`, 'Write one JSON object on each line.')
  return entries
}

async function readText(file: string, option: string): Promise<string> {
  if (file === '-') return textOf(process.stdin)
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    throw usageError(`The file ${file} of ${option} cannot be read (${code}).`, 'Check its path and its permissions.')
  }
}

function entriesOfArray(text: string, file: string): FileEntry[] {
  const values = parse(text)
  if (!Array.isArray(values)) throw usageError(`${nameOf(file)} begins like a JSON array but is none. Nothing was sent.`, 'Write one JSON object on each line.')
  return values.map((value: unknown) => ({ value, line: null }))
}

function entriesOfLines(text: string, file: string): FileEntry[] {
  const lines = text.split(/\r?\n/).flatMap((line, index) => (line.trim() === '' ? [] : [{ value: parse(line), line: index + 1 }]))
  const wrong = lines.filter(({ value }) => value === undefined).map(({ line }) => line)
  if (wrong.length === 0) return lines
  const more = wrong.length > LINES_REPORTED_MAX ? ` and ${wrong.length - LINES_REPORTED_MAX} more` : ''
  throw usageError(
    `${nameOf(file)} has lines that are not JSON: ${wrong.slice(0, LINES_REPORTED_MAX).join(', ')}${more}. Nothing was sent.`,
    'Correct them: each line is one JSON object.',
  )
}

/** Undefined for what is not JSON. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function nameOf(file: string): string {
  return file === '-' ? 'stdin' : file
}
