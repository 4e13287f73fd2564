import { requireComplete } from '../../contract/complete-export.ts'
import { EXPORT_FORMATS } from '../../contract/export-formats.ts'
import type { Manifest } from '../../contract/export-manifest.ts'
import { CallFailed, type DownloadedFile } from '../calls/call.ts'
import { type AsText, parseWithNumbersAsText } from '../calls/numbers-as-text.ts'
import { sha256Of } from './sha256.ts'

/** An exported file that is complete, with what describes it. */
export interface FetchedExport {
  /** As the service names it; the command line uses the same name. */
  readonly name: string
  readonly file: Blob
  /** As the service wrote it, for the file that "meterline verify" reads. */
  readonly manifestText: string
  readonly manifest: AsText<Manifest>
  /** Undefined where the browser computes no hashes. */
  readonly sha256: string | undefined
}

/** Reads an export to its end. Rejects with CallFailed if it breaks off: half a file would look like a smaller bill. */
export async function fetchExport({ chunks, headers }: DownloadedFile, onBytes: (bytes: number) => void): Promise<FetchedExport> {
  const manifestText = manifestIn(headers)
  const manifest = parseWithNumbersAsText(manifestText) as AsText<Manifest>
  const parts: Uint8Array<ArrayBuffer>[] = []
  let bytes = 0
  const { container } = EXPORT_FORMATS[manifest.format]
  try {
    for await (const chunk of requireComplete(chunksOf(chunks), { container, rows: Number(manifest.rows) })) {
      parts.push(chunk as Uint8Array<ArrayBuffer>)
      bytes += chunk.length
      onBytes(bytes)
    }
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw new CallFailed({ status: 0, code: 'FILE_INCOMPLETE', message: 'The file broke off before its end, so nothing was saved. Try again.' })
  }
  const file = new Blob(parts, { type: headers.get('content-type') ?? '' })
  return { name: nameIn(headers), file, manifestText, manifest, sha256: await sha256Of(file) }
}

/** The manifest that "meterline verify" reads beside the file. Its counts are small integers and its values texts, so no digit is lost. It has the hash of the file; where no hash can be computed there is none. */
export function manifestFile({ name, file, manifestText, sha256 }: FetchedExport): Blob | undefined {
  if (sha256 === undefined) return undefined
  return new Blob([`${JSON.stringify({ ...(JSON.parse(manifestText) as Manifest), file: name, bytes: file.size, sha256 }, null, 2)}\n`], {
    type: 'application/json',
  })
}

/** Not every browser iterates over a stream. */
async function* chunksOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncIterable<Uint8Array<ArrayBuffer>> {
  const reader = stream.getReader()
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) yield read.value
  } finally {
    await reader.cancel().catch(() => {})
  }
}

function manifestIn(headers: Headers): string {
  const text = headers.get('x-meterline-manifest')
  if (text === null)
    throw new CallFailed({
      status: 0,
      code: 'NO_MANIFEST',
      message: 'The answer has no manifest: a proxy removed the header x-meterline-manifest. Ask who runs the proxy.',
    })
  return text
}

function nameIn(headers: Headers): string {
  return /filename="([\w.-]+)"/.exec(headers.get('content-disposition') ?? '')?.[1] ?? 'meterline-export'
}
