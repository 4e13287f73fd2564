import type { Collection, ProjectOf } from './collection.ts'
import { ProjectSizes, type SlotOptions } from './project-sizes.ts'
import { readLines } from './read-lines.ts'

export interface ListingOptions extends SlotOptions {
  /** The listing of a bucket: a line for each object. */
  readonly chunks: AsyncIterable<Uint8Array>
  /** The project of an object's key. */
  readonly projectOf: ProjectOf
}

interface ListedObject {
  readonly key: string
  readonly bytes: bigint
}

/**
 * Samples the bytes per project from the listing of a bucket: lines of JSON with Key and Size (or Path and Size, as `rclone lsjson` writes
 * them), or lines "key,size" or "key<tab>size". Throws Error for a listing that is empty, cut off, or has a line that cannot be read: the sums
 * of the other lines would be too small.
 */
export async function collectListingSizes({ chunks, projectOf, slotMs, nowMs }: ListingOptions): Promise<Collection> {
  const sizes = new ProjectSizes({ metric: 'file_storage_bytes', projectOf, slotMs, nowMs })
  let objects = 0
  let isInArray = false
  for await (const { bytes, number, isTooLong } of readLines(chunks)) {
    const text = bytes.toString('utf8').trim()
    if (text === '') continue
    if (text === '[' && objects === 0) isInArray = true
    else if (text === ']' && isInArray) isInArray = false
    else {
      const object = isTooLong ? undefined : readObject(text)
      // A header is the only line without a size that may be there.
      if (object === undefined && number === 1 && /^"?(key|path|name)"?[,\t]"?size"?$/i.test(text)) continue
      if (object === undefined) throw new Error(`Line ${number} of the listing has no key and size, so nothing of it is counted.`)
      if (object === 'folder') continue
      objects += 1
      if (sizes.has(object.key)) sizes.add(object.key, object.bytes)
    }
  }
  if (isInArray) throw new Error('The listing is cut off: its array has no end. Nothing of it is counted.')
  if (objects === 0) throw new Error('The listing has no objects. Check the program that writes it.')
  return sizes.collection()
}

function readObject(text: string): ListedObject | 'folder' | undefined {
  return text.startsWith('{') ? readJson(text.replace(/,$/, '')) : readCells(text)
}

function readJson(text: string): ListedObject | 'folder' | undefined {
  let value: Record<string, unknown>
  try {
    value = JSON.parse(text) as Record<string, unknown>
  } catch {
    return undefined
  }
  if (value['IsDir'] === true) return 'folder'
  const key = value['Key'] ?? value['key'] ?? value['Path'] ?? value['path']
  const size = value['Size'] ?? value['size']
  const bytes = typeof size === 'number' && !Number.isSafeInteger(size) ? undefined : parseBytes(String(size))
  return typeof key === 'string' && bytes !== undefined ? { key, bytes } : undefined
}

/** The size is after the last delimiter, because a key may contain delimiters. */
function readCells(text: string): ListedObject | undefined {
  const match = /^(.+)[\t,]"?(\d+)"?$/.exec(text)
  if (match === null) return undefined
  const [, cell = '', size = ''] = match
  const bytes = parseBytes(size)
  const key = /^".*"$/.test(cell) ? cell.slice(1, -1).replaceAll('""', '"') : cell
  return bytes === undefined ? undefined : { key, bytes }
}

function parseBytes(text: string): bigint | undefined {
  return /^\d{1,18}$/.test(text) ? BigInt(text) : undefined
}
