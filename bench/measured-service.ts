import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Closers } from '../service/closers.ts'
import type { AnsweredRequest } from '../test/support/query-trace.ts'
import type { MeasuredServiceMessage, MeasuredServiceTask } from './measured-service-main.ts'

export interface MeasuredService {
  readonly url: string
  readonly adminToken: string
  /** Returns the requests that were answered since the last call. */
  takeAnsweredRequests(): Promise<readonly AnsweredRequest[]>
}

/** Waits until the background jobs have materialized and audited all seeded days: beside them, answers take several times as long. */
export async function untilAudited({ url }: Pick<MeasuredService, 'url'>): Promise<void> {
  const deadlineMs = performance.now() + AUDITED_MS_MAX
  while (!/^meterline_audit_complete_seconds \d/m.test(await (await fetch(new URL('/metrics', url))).text())) {
    if (performance.now() > deadlineMs) throw new Error(`The seeded days were not audited within ${AUDITED_MS_MAX / 60_000} minutes.`)
    await pause(ASK_AGAIN_MS)
  }
}

const AUDITED_MS_MAX = 10 * 60_000
const ASK_AGAIN_MS = 500

export async function startMeasuredService(dataDir: string, closers: Closers): Promise<MeasuredService> {
  const environment = { DATA_DIR: dataDir, PORT: '0', LOG_LEVEL: 'fatal', RATE_LIMIT_PER_MINUTE: '0', EVENT_REQUESTS_PER_MINUTE: '0' }
  const task: MeasuredServiceTask = { environment }
  const child = fork(MAIN, [JSON.stringify(task)], { execArgv: [...process.execArgv, '--max-semi-space-size=64'] })
  const exited = once(child, 'exit')
  closers.add(async () => {
    if (child.connected) child.disconnect()
    await exited
  })
  const failed = exited.then(([code]) => Promise.reject(new Error(`The service ended with code ${code}.`)))
  failed.catch(() => {})
  const next = async (): Promise<MeasuredServiceMessage> => (await Promise.race([once(child, 'message'), failed]))[0]
  const started = await next()
  if (!('url' in started)) throw new Error('The service did not send its URL.')
  return {
    ...started,
    takeAnsweredRequests: async () => {
      const reply = next()
      child.send('take')
      const message = await reply
      if (!('requests' in message)) throw new Error('The service did not send its answered requests.')
      return message.requests
    },
  }
}

const MAIN = fileURLToPath(new URL('./measured-service-main.ts', import.meta.url))
