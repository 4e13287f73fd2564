import cors from '@fastify/cors'
import type { FastifyInstance } from 'fastify'
import { EVERYONE } from '../auth/access.ts'

/**
 * Allows browsers of the configured origins to call the API, never with cookies: callers authenticate with a header. Without
 * configured origins there are no CORS headers, and a preflight is an unknown route.
 */
export async function allowOrigins(app: FastifyInstance, origins: readonly string[]): Promise<void> {
  if (origins.length === 0) return
  const open = new Set(origins)
  // The plugin's route for preflights, which come without credentials.
  app.addHook('onRoute', (route) => {
    if (route.method === 'OPTIONS' && route.url === '*') route.config = { ...route.config, access: EVERYONE, limit: 'none' }
  })
  await app.register(cors, {
    // False for other origins: then no header reveals that any origin is allowed.
    origin: (origin, decide) => decide(null, origin !== undefined && open.has(origin) ? origin : false),
    methods: METHODS,
    allowedHeaders: REQUEST_HEADERS,
    exposedHeaders: ANSWER_HEADERS,
    credentials: false,
    maxAge: PREFLIGHT_KEPT_SECONDS,
  })
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']
const REQUEST_HEADERS = ['authorization', 'x-partnership-secret', 'content-type', 'if-none-match']
const ANSWER_HEADERS = ['etag', 'ratelimit', 'ratelimit-policy', 'retry-after', 'x-request-id', 'x-meterline-manifest', 'content-disposition']
const PREFLIGHT_KEPT_SECONDS = 600
