import { createEmitter } from '../emitter/emitter.ts'
import { diskSpool } from '../emitter/spool/disk-spool.ts'
import { forkedTask, sendResult } from './forked-task.ts'
import { runLoad } from './http-load.ts'
import { type MadeEvent, makeEvent } from './made-events.ts'

export interface EmitterTask {
  readonly url: string
  readonly key: string
  readonly way: Way
  readonly first: number
  readonly events: number
  readonly eventsPerRequest: number
  readonly connections: number
  /** For the spool. */
  readonly folder: string
}

/** bare: prepared bodies over node:http. fetch: the same bodies by fetch, which the emitter uses. */
export type Way = 'bare' | 'fetch' | 'emitter' | 'spool'

export interface EmitterResult {
  readonly seconds: number
  /** Of this process, user and system. */
  readonly cpuSeconds: number
}

/** Sends events in one way, in a process of its own, so that its CPU time is that of the way. */
const task = forkedTask<EmitterTask>()
const events = Array.from({ length: task.events }, (_, index) => makeEvent(task.first + index))
const run = task.way === 'bare' || task.way === 'fetch' ? prepareBodies(events) : () => emit(events)
// The first fetch of a process loads its implementation, which takes longer than sending thousands of events.
await (await fetch(new URL('/healthz', task.url))).text()
const cpuStart = process.cpuUsage()
const started = performance.now()
await run()
const seconds = (performance.now() - started) / 1000
const { user, system } = process.cpuUsage(cpuStart)
sendResult({ seconds, cpuSeconds: (user + system) / 1e6 } satisfies EmitterResult)

function prepareBodies(made: readonly MadeEvent[]): () => Promise<unknown> {
  const { eventsPerRequest, connections, key, way } = task
  const url = new URL('/v1/events', task.url)
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  const bodies = Array.from({ length: made.length / eventsPerRequest }, (_, index) => {
    return Buffer.from(JSON.stringify(made.slice(index * eventsPerRequest, (index + 1) * eventsPerRequest)))
  })
  if (way === 'bare') return () => runLoad({ connections, secondsMax: 600, requests: bodies.map((body) => ({ method: 'POST', url, headers, body })) })
  const waiting = bodies.values()
  const connection = async () => {
    for (const body of waiting) {
      const answer = await fetch(url, { method: 'POST', headers, body })
      if (!answer.ok) throw new Error(`status ${answer.status}: ${await answer.text()}`)
      await answer.json()
    }
  }
  return () => Promise.all(Array.from({ length: connections }, connection))
}

async function emit(made: readonly MadeEvent[]): Promise<void> {
  const { url, key, way, folder, eventsPerRequest, connections } = task
  const emitter = createEmitter({
    url,
    key,
    batchEventsMax: eventsPerRequest,
    batchBytesMax: 10 * 1024 ** 2,
    requestsMax: connections,
    bufferEventsMax: made.length,
    bufferBytesMax: 1024 ** 3,
    ...(way === 'spool' ? { spool: diskSpool({ folder }) } : {}),
  })
  for (const [index, event] of made.entries()) {
    emitter.emit(event)
    // As an application would, which does something else between events.
    if (index % 100 === 99) await new Promise((resolve) => setImmediate(resolve))
  }
  const { delivered } = await emitter.close({ timeout: 600_000 })
  if (delivered !== made.length) throw new Error(`${delivered} of ${made.length} events were delivered.`)
}
