import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { performance } from 'node:perf_hooks'
import { STATEMENT_CHANNEL, type TracedStatement } from '../../sql/clickhouse.ts'

/** An answered request: its queries to the store, and how long it took. */
export interface AnsweredRequest {
  readonly method: string
  readonly path: string
  readonly requestId: string
  /** The names of its queries, in the order in which they started. */
  readonly queries: readonly string[]
  readonly totalMs: number
  /** The part of `totalMs` in which no query of the request was running: the time of the service itself. */
  readonly ownMs: number
}

/** Reports the requests of this process with their queries. Returns a function that stops it. */
export function listenToRequests(onAnswered: (request: AnsweredRequest) => void): () => void {
  const requests = new AsyncLocalStorage<OpenRequest>()
  const open = new WeakMap<IncomingMessage, OpenRequest>()
  const begin = (message: unknown) => {
    const { request } = message as { request: IncomingMessage }
    const opened: OpenRequest = { request, startMs: performance.now(), queries: [], running: 0, queryingSinceMs: 0, queryMs: 0 }
    open.set(request, opened)
    requests.enterWith(opened)
  }
  const end = (message: unknown) => {
    const { request, response } = message as { request: IncomingMessage; response: ServerResponse }
    const opened = open.get(request)
    if (opened === undefined) return
    const totalMs = performance.now() - opened.startMs
    const path = new URL(request.url ?? '/', 'http://localhost').pathname
    const requestId = String(response.getHeader('x-request-id'))
    onAnswered({ method: request.method ?? '', path, requestId, queries: opened.queries, totalMs, ownMs: totalMs - opened.queryMs })
  }
  const subscribers = {
    start: (message: unknown) => {
      const request = requests.getStore()
      const query = queryOf(message)
      if (request === undefined || query === undefined) return
      request.queries.push(query)
      if (request.running === 0) request.queryingSinceMs = performance.now()
      request.running += 1
    },
    asyncEnd: (message: unknown) => {
      const request = requests.getStore()
      if (request === undefined || queryOf(message) === undefined) return
      request.running -= 1
      if (request.running === 0) request.queryMs += performance.now() - request.queryingSinceMs
    },
    end: () => {},
    asyncStart: () => {},
    error: () => {},
  }
  subscribe('http.server.request.start', begin)
  subscribe('http.server.response.finish', end)
  tracingChannel(STATEMENT_CHANNEL).subscribe(subscribers)
  return () => {
    unsubscribe('http.server.request.start', begin)
    unsubscribe('http.server.response.finish', end)
    tracingChannel(STATEMENT_CHANNEL).unsubscribe(subscribers)
  }
}

interface OpenRequest {
  readonly request: IncomingMessage
  readonly startMs: number
  readonly queries: string[]
  running: number
  queryingSinceMs: number
  queryMs: number
}

/** The name of a query; undefined for a statement that writes. */
function queryOf(message: unknown): string | undefined {
  const { operation, name } = message as TracedStatement
  return operation === 'query' || operation === 'stream' ? name : undefined
}

/** Runs `work` and returns the names of its queries to the store, in the order in which they started. */
export async function queriesOf(work: () => Promise<unknown>): Promise<string[]> {
  const names: string[] = []
  const ours = new AsyncLocalStorage<true>()
  const note = (message: unknown) => {
    const query = queryOf(message)
    if (ours.getStore() === true && query !== undefined) names.push(query)
  }
  const { start } = tracingChannel(STATEMENT_CHANNEL)
  start.subscribe(note)
  try {
    await ours.run(true, work)
  } finally {
    start.unsubscribe(note)
  }
  return names
}
