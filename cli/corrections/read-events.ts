import { readFile } from 'node:fs/promises'
import { parseExactJson } from '../../metering/exact-json.ts'
import { NumberToken } from '../../metering/quantity.ts'
import { usageError } from '../errors.ts'

/** Events as they are sent; the service validates them. */
export type EventToSend = Readonly<Record<string, unknown>>

/** The events of an NDJSON file. A number becomes its text, which keeps all its digits. Throws CliError. */
export async function readEvents(file: string): Promise<EventToSend[]> {
  const text = await readFile(file, 'utf8').catch((cause: Error) => {
    throw usageError(`The file ${file} cannot be read: ${cause.message}`)
  })
  return text.split('\n').flatMap((line, index) => (line.trim() === '' ? [] : [parseLine(line, `${file}, line ${index + 1}`)]))
}

function parseLine(line: string, place: string): EventToSend {
  let parsed: unknown
  try {
    parsed = parseExactJson(line)
  } catch {
    throw usageError(`${place} is not JSON.`, 'The file is NDJSON: one event per line. Nothing was sent.')
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw usageError(`${place} is not an event, which is a JSON object.`)
  return Object.fromEntries(Object.entries(parsed).map(([name, value]) => [name, value instanceof NumberToken ? value.text : value]))
}
