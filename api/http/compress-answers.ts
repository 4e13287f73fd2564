import { pipeline, Readable, type Transform } from 'node:stream'
import { promisify } from 'node:util'
import zlib from 'node:zlib'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

/**
 * Compresses answers for callers that ask for it (Accept-Encoding), files while they are streamed. The length of a compressed text
 * depends on what repeats in it, so an answer that holds a secret beside text that somebody else chose would reveal the secret to whoever
 * sees lengths (BREACH). Therefore only answers with status 200 to GET requests are compressed, and none of a route with `noStore`,
 * which is what routes whose answers hold a key or a secret declare. All other secrets are answers to POST and PUT.
 *
 * After the hook that compares ETags: tags are weak, and are those of the text.
 */
export function compressAnswers(app: FastifyInstance): void {
  app.addHook('onSend', async (request, reply, payload) => {
    if (!mayBeCompressed(request, reply)) return payload
    vary(reply)
    const coding = chooseCoding(request.headers['accept-encoding'])
    if (coding === undefined) return payload
    if (payload instanceof Readable) return compressedStream(reply, payload, coding)
    if (!isText(payload) || Buffer.byteLength(payload) < BYTES_MIN) return payload
    const compressed = await CODINGS[coding].whole(Buffer.from(payload))
    setCoding(reply, coding)
    return compressed
  })
}

/**
 * For a public text that never changes: it is compressed once in each coding that somebody asks for, so that a request costs
 * nothing. Sets the headers, and returns the bytes to send.
 */
export function prepareCompressed(bytes: Buffer): (request: FastifyRequest, reply: FastifyReply) => Promise<Buffer> {
  const prepared = new Map<Coding, Promise<Buffer>>()
  return async (request, reply) => {
    const coding = chooseCoding(request.headers['accept-encoding'])
    if (coding === undefined) return bytes
    const compressed = prepared.get(coding) ?? CODINGS[coding].whole(bytes)
    prepared.set(coding, compressed)
    setCoding(reply, coding)
    return compressed
  }
}

/** Shorter answers fit in one packet anyway. */
const BYTES_MIN = 1_024

interface Codec {
  whole(bytes: Buffer): Promise<Buffer>
  stream(): Transform
}

/** Levels at which a core compresses faster than the store delivers rows. */
const BROTLI = { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 4 } }
const [gzip, brotli] = [promisify(zlib.gzip), promisify(zlib.brotliCompress)]

/** Node has it since 22.15. The types are those of Node 20. */
interface Zstd {
  readonly zstdCompress: (bytes: Buffer, callback: (error: Error | null, compressed: Buffer) => void) => void
  readonly createZstdCompress: () => Transform
}
const zstd = zlib as unknown as Zstd

const CODINGS: Record<'zstd' | 'br' | 'gzip', Codec> = {
  zstd: { whole: (bytes) => promisify(zstd.zstdCompress)(bytes), stream: () => zstd.createZstdCompress() },
  br: { whole: (bytes) => brotli(bytes, BROTLI), stream: () => zlib.createBrotliCompress(BROTLI) },
  gzip: { whole: (bytes) => gzip(bytes), stream: () => zlib.createGzip() },
}
export type Coding = keyof typeof CODINGS

/** In the order of preference. */
const OFFERED: readonly Coding[] = 'createZstdCompress' in zlib ? ['zstd', 'br', 'gzip'] : ['br', 'gzip']

/** The coding that the caller weights highest (RFC 9110, section 12.5.3); undefined for none. */
export function chooseCoding(accepted: string | string[] | undefined, offered: readonly Coding[] = OFFERED): Coding | undefined {
  const weights = new Map(
    String(accepted ?? '')
      .split(',')
      .map(weightOf),
  )
  const weighted = offered.map((coding) => ({ coding, weight: weights.get(coding) ?? weights.get('*') ?? 0 }))
  const [best] = weighted.filter(({ weight }) => weight > 0).sort((one, other) => other.weight - one.weight)
  return best?.coding
}

function weightOf(part: string): [string, number] {
  const [name = '', ...parameters] = part.split(';').map((each) => each.trim().toLowerCase())
  const weight = parameters.find((each) => each.startsWith('q='))?.slice('q='.length)
  return [name, weight === undefined ? 1 : /^[01](?:\.\d{0,3})?$/.test(weight) ? Number(weight) : 0]
}

function mayBeCompressed({ method, routeOptions }: FastifyRequest, reply: FastifyReply): boolean {
  const { operation, noStore } = routeOptions.config
  return (
    method === 'GET' && reply.statusCode === 200 && operation !== undefined && noStore !== true && COMPRESSIBLE.test(String(reply.getHeader('content-type')))
  )
}

/** Parquet files and workbooks are compressed already. */
const COMPRESSIBLE = /^(?:text\/|application\/(?:json|x-ndjson))/

/** An error of the file ends the compressed one too, without its end mark, and a caller that disconnects ends the file. */
function compressedStream(reply: FastifyReply, file: Readable, coding: Coding): Transform {
  setCoding(reply, coding)
  return pipeline(file, CODINGS[coding].stream(), () => {})
}

function setCoding(reply: FastifyReply, coding: Coding): void {
  reply.header('content-encoding', coding).removeHeader('content-length')
}

/** Caches must not give a compressed answer to a caller that cannot read it. */
export function vary(reply: FastifyReply): void {
  const known = reply.getHeader('vary')
  reply.header('vary', known === undefined ? 'accept-encoding' : `${String(known)}, accept-encoding`)
}

function isText(payload: unknown): payload is string | Buffer {
  return typeof payload === 'string' || Buffer.isBuffer(payload)
}
