import { createHash } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { prepareCompressed, vary } from './compress-answers.ts'

/**
 * ETag and conditional GET (RFC 9110, sections 8.8.3 and 13.1.2) for every answer that is one JSON text. The answer is computed
 * in any case, and not sent if the caller has it.
 *
 * Streams have no tag. An open statement and a live export change with every event. In a closed statement everything is fixed
 * except `unbilled`, so its tag would be known only after reading all of it. A client that caches a closed month compares
 * `statement.sha256`, which comes before the lines.
 */
export function answerConditionally(app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => {
    if (request.routeOptions.config.noStore === true) reply.header('cache-control', 'no-store')
  })
  app.addHook('onSend', async (request, reply, payload) => {
    if (reply.statusCode !== 200 || !isRead(request)) return payload
    if (request.identity !== undefined && !reply.hasHeader('cache-control')) reply.header('cache-control', 'private, no-cache')
    if (typeof payload !== 'string' || !isJson(reply) || mustNotBeCached(reply)) return payload
    return withEtag(request, reply, { payload, etag: weakEtagOf(payload, request.identity?.who === 'partner') })
  })
}

/** A public JSON text that never changes while the process runs: its bytes, compressed or not, and its tag are computed once. */
export function prepareAnswer(text: string): (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply> {
  const payload = Buffer.from(text)
  const etag = weakEtagOf(text, false)
  const compressFor = prepareCompressed(payload)
  return async (request, reply) => {
    vary(reply.type('application/json; charset=utf-8'))
    const unless = withEtag(request, reply, { payload, etag })
    return reply.send(reply.statusCode === 200 ? await compressFor(request, reply) : unless)
  }
}

/** The payload, or nothing (and status 304) if the caller has it. */
export function withEtag<T>(request: FastifyRequest, reply: FastifyReply, { payload, etag }: { payload: T; etag: string }): T | null {
  reply.header('etag', etag)
  const known = request.headers['if-none-match']
  if (known === undefined || !matchesAny(known, etag)) return payload
  reply.code(304).removeHeader('content-type')
  // Fastify removes the body of a HEAD answer itself, and sets the length that it would have had.
  return request.method === 'HEAD' ? payload : null
}

/**
 * Computed over the text, because a parser would round long numbers and could take two answers for the same. The pattern matches
 * keys only: inside a string a quote is escaped. For partners `as_of` says how far the same numbers are complete and changes with
 * every watermark, so it is left out; for operators, who query how far a log is complete, it is the answer itself.
 */
export function weakEtagOf(body: string, withoutAsOf: boolean): string {
  const digested = body.replaceAll(withoutAsOf ? AS_OF_OR_REQUEST_ID : REQUEST_ID, '')
  return `W/"${createHash('sha256').update(digested).digest('base64url').slice(0, ETAG_CHARACTERS)}"`
}

const AS_OF_OR_REQUEST_ID = /"(?:as_of|request_id)":(?:"[^"\\]*"|null)/g
const REQUEST_ID = /"request_id":(?:"[^"\\]*"|null)/g
/** 132 bits. */
const ETAG_CHARACTERS = 22

/** Weak comparison: only the quoted part counts. A header that is not a list of tags matches nothing. */
function matchesAny(known: string, etag: string): boolean {
  if (known.trim() === '*') return true
  const opaque = etag.slice('W/'.length)
  return [...known.matchAll(ENTITY_TAGS)].some(([, tag]) => tag === opaque)
}

const ENTITY_TAGS = /(?:W\/)?("[\x21\x23-\x7e\x80-\xff]*")/g

function isRead({ method }: FastifyRequest): boolean {
  return method === 'GET' || method === 'HEAD'
}

function isJson(reply: FastifyReply): boolean {
  return String(reply.getHeader('content-type')).startsWith('application/json')
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Answers contain a key or a secret in plain text, so intermediaries must not cache them, error answers included. */
    noStore?: true
  }
}

/** The tag would be a digest of the secret in the answer, against which guesses of a short secret could be tested. */
function mustNotBeCached(reply: FastifyReply): boolean {
  return String(reply.getHeader('cache-control')).includes('no-store')
}
