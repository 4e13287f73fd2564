import { createHash } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

/**
 * ETag and conditional GET (RFC 9110, sections 8.8.3 and 13.1.2) for every answer that is one JSON text. The answer is
 * computed all the same, and not sent when the caller has it.
 *
 * Streams have none. An open statement and a live export change with every event; of a closed statement all is fixed but
 * `unbilled`, which is of now: its tag would be known only when the whole was read. Whoever keeps a closed month compares
 * `statement.sha256`, which is there before the lines are.
 */
export function answerConditionally(app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => {
    if (request.routeOptions.config.noStore === true) reply.header('cache-control', 'no-store')
  })
  app.addHook('onSend', async (request, reply, payload) => {
    if (reply.statusCode !== 200 || !isRead(request)) return payload
    if (request.identity !== undefined && !reply.hasHeader('cache-control')) reply.header('cache-control', 'private, no-cache')
    if (typeof payload !== 'string' || !isJson(reply) || mayNotBeKept(reply)) return payload
    const etag = weakEtagOf(payload, request.identity?.who === 'partner')
    reply.header('etag', etag)
    const known = request.headers['if-none-match']
    if (known === undefined || !matchesAny(known, etag)) return payload
    reply.code(304).removeHeader('content-type')
    // What follows for a HEAD takes the body away by itself, and says how long it would have been.
    return request.method === 'HEAD' ? payload : null
  })
}

/**
 * Over the text, because a parser would round long numbers and take two answers for one. The pattern matches keys alone: within
 * a text a quote is escaped. To partners `as_of` is how far the same numbers are known to be complete, and moves with every
 * watermark; to operators, who ask how far a log is settled, it is the answer itself.
 */
function weakEtagOf(body: string, withoutAsOf: boolean): string {
  const digested = body.replaceAll(withoutAsOf ? AS_OF_OR_REQUEST_ID : REQUEST_ID, '')
  return `W/"${createHash('sha256').update(digested).digest('base64url').slice(0, ETAG_CHARACTERS)}"`
}

const AS_OF_OR_REQUEST_ID = /"(?:as_of|request_id)":(?:"[^"\\]*"|null)/g
const REQUEST_ID = /"request_id":(?:"[^"\\]*"|null)/g
/** 132 bits. */
const ETAG_CHARACTERS = 22

/** Weak comparison: what stands in quotes decides. A header that is no list of tags matches nothing. */
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
    /** Answers hold a key or a secret in plain text: no cache on the way may keep one, whatever it says. */
    noStore?: true
  }
}

/** A tag is a digest of what must not be kept, and would let a short secret be guessed. */
function mayNotBeKept(reply: FastifyReply): boolean {
  return String(reply.getHeader('cache-control')).includes('no-store')
}
