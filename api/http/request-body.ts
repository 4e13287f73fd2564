import type { FastifyRequest } from 'fastify'
import { UNPACKED_PLAIN_BYTES, UNPACKED_RATIO_MAX } from '../../contract/events.ts'
import { CODINGS, type Coding, NotUnpacked, unpack } from '../../ingest/event/unpack.ts'
import { ApiError } from '../errors/errors.ts'

/**
 * The body of a request as UTF-8, unpacked if it is compressed. A charset other than UTF-8 would turn one name or id into another, so it
 * is not accepted. Throws ApiError.
 */
export async function readBody(request: FastifyRequest, body: Buffer): Promise<Buffer> {
  requireUtf8(request.headers['content-type'] ?? '')
  const coding = codingOf(request.headers['content-encoding'])
  if (coding === undefined) return body
  const bytesMax = request.routeOptions.bodyLimit
  try {
    // The ratio limits what a few bytes can cost; a small body may have any.
    return await unpack(body, coding, Math.min(bytesMax, Math.max(body.length * UNPACKED_RATIO_MAX, UNPACKED_PLAIN_BYTES)))
  } catch (error) {
    if (!(error instanceof NotUnpacked)) throw error
    if (error.fault === 'damaged') throw new ApiError('INVALID_REQUEST', `The body is not ${coding}, as Content-Encoding says, or it is not complete.`, error)
    const limits = `${bytesMax} bytes, or to more than ${UNPACKED_RATIO_MAX} times its own size`
    throw new ApiError('TOO_LARGE', `The body unpacks to more than ${limits}. Nothing of it was stored. Send less at a time.`, error)
  }
}

/** Without a charset a body is UTF-8, as JSON always is (RFC 8259). */
function requireUtf8(contentType: string): void {
  const charset = /;\s*charset\s*=\s*"?([^\s";]*)/i.exec(contentType)?.[1]
  if (charset === undefined || /^utf-?8$/i.test(charset)) return
  throw new ApiError('UNSUPPORTED_MEDIA_TYPE', 'The charset of the body is not UTF-8. Send the body in UTF-8.')
}

/** Undefined if the body is sent as it is: without a coding, or with identity, which changes nothing. */
function codingOf(contentEncoding: string | undefined): Coding | undefined {
  const codings = (contentEncoding ?? '')
    .split(',')
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== '' && coding !== 'identity')
  const [first, second] = codings
  if (first === undefined) return undefined
  const coding = CODINGS.find((each) => each === (first === 'x-gzip' ? 'gzip' : first))
  if (coding === undefined || second !== undefined)
    throw new ApiError('UNSUPPORTED_MEDIA_TYPE', `Send the body uncompressed, or with one Content-Encoding of ${CODINGS.join(', ')}.`)
  return coding
}
