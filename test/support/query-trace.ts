import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { performance } from 'node:perf_hooks'
import { QUERY_CHANNEL } from '../../sql/clickhouse.ts'

/** What a request that was answered asked of the store, and how long it took. */
export interface AnsweredRequest {
  readonly method: string
  readonly path: string
  readonly requestId: string
  /** Names of queries, in the order in which they began. */
  readonly questions: readonly string[]
  readonly totalMs: number
  /** Of that, the time in which no query of the request was under way: what the service adds itself. */
  readonly ownMs: number
}

/** Listens to the requests and the queries of this process. Returns what ends it. */
export function listenToRequests(onAnswered: (request: AnsweredRequest) => void): () => void {
  const requests = new AsyncLocalStorage<OpenRequest>()
  const open = new WeakMap<IncomingMessage, OpenRequest>()
  const begin = (message: unknown) => {
    const { request } = message as { request: IncomingMessage }
    const opened: OpenRequest = { request, startMs: performance.now(), questions: [], running: 0, askingSinceMs: 0, askedMs: 0 }
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
    onAnswered({ method: request.method ?? '', path, requestId, questions: opened.questions, totalMs, ownMs: totalMs - opened.askedMs })
  }
  const questions = {
    start: (message: unknown) => {
      const asking = requests.getStore()
      if (asking === undefined) return
      asking.questions.push((message as { name: string }).name)
      if (asking.running === 0) asking.askingSinceMs = performance.now()
      asking.running += 1
    },
    asyncEnd: () => {
      const asking = requests.getStore()
      if (asking === undefined) return
      asking.running -= 1
      if (asking.running === 0) asking.askedMs += performance.now() - asking.askingSinceMs
    },
    end: () => {},
    asyncStart: () => {},
    error: () => {},
  }
  subscribe('http.server.request.start', begin)
  subscribe('http.server.response.finish', end)
  tracingChannel(QUERY_CHANNEL).subscribe(questions)
  return () => {
    unsubscribe('http.server.request.start', begin)
    unsubscribe('http.server.response.finish', end)
    tracingChannel(QUERY_CHANNEL).unsubscribe(questions)
  }
}

interface OpenRequest {
  readonly request: IncomingMessage
  readonly startMs: number
  readonly questions: string[]
  running: number
  askingSinceMs: number
  askedMs: number
}
