import type { FastifyInstance } from 'fastify'
import type { BackgroundJobs } from '../../aggregator/background-jobs.ts'
import { ERRORS } from '../../contract/errors.ts'
import { type Build, GET_LIVENESS, GET_READINESS, GET_VERSION } from '../../contract/health.ts'
import type { Ingesting } from '../../ingest/log/event-log.ts'
import { EVERYONE } from '../auth/access.ts'
import { ApiError, errorBody } from '../errors/errors.ts'
import { addRoute } from '../route.ts'

export interface HealthRoutesOptions {
  /** Undefined in a process that counts no events: it is ready as soon as it runs. */
  readonly ingesting: Ingesting | undefined
  readonly aggregating: BackgroundJobs | undefined
}

/** For routes that answer while the event loop is blocked too: an operator needs them most when a process is busy. */
export function answerWhileBusy(): void {}

/** A busy process is alive: if it answered 503 it would be restarted, and the others would have more to do. */
const whileBusy = { pressureHandler: answerWhileBusy } as const
/** Supervisors call these without credentials and without a rate limit; the answers reveal nothing about partners. */
const UNLIMITED = { access: EVERYONE, limit: 'none', isPolled: true, ...whileBusy } as const
const OK = { status: 'ok' } as const

const LEAVES = 'The service is stopping. Send new requests to another process.'

export function getLiveness(app: FastifyInstance): void {
  addRoute(app, GET_LIVENESS, UNLIMITED, () => OK)
}

export function getReadiness(app: FastifyInstance, { ingesting, aggregating, isStopping }: HealthRoutesOptions & { isStopping: () => boolean }): void {
  addRoute(app, GET_READINESS, UNLIMITED, (request, reply) => {
    if (isStopping())
      return reply
        .code(503)
        .header('retry-after', '1')
        .send(errorBody(new ApiError('STOPPING', LEAVES), request.id))
    const readiness = ingesting?.readiness() ?? { ready: true }
    const warnings = aggregating?.warnings() ?? []
    if (readiness.ready) return warnings.length === 0 ? OK : { ...OK, warnings }
    // Sent as an answer and not thrown, because supervisors ask every few seconds and every thrown error is logged.
    const error = new ApiError('EVENTS_UNAVAILABLE', `${ERRORS.EVENTS_UNAVAILABLE.message} Reason: ${readiness.reason}.`)
    return reply.code(503).header('retry-after', '1').send(errorBody(error, request.id))
  })
}

export function getVersion(app: FastifyInstance, { build }: { build: Build }): void {
  addRoute(app, GET_VERSION, { access: EVERYONE, ...whileBusy }, () => build)
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Of @fastify/under-pressure: called instead of the answer 503 while the event loop is blocked. */
    pressureHandler?: () => void
  }
}
