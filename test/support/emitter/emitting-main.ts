import { openSync, writeSync } from 'node:fs'
import { createEmitter } from '../../../emitter/emitter.ts'
import { diskSpool } from '../../../emitter/spool/disk-spool.ts'

export interface EmittingTask {
  readonly url: string
  readonly key: string
  readonly folder: string
  readonly projectId: string
  /** How many events to emit. With 0 the process only sends what is on disk, and ends; else it waits to be killed. */
  readonly events: number
  /** A file for the number of events emitted so far, written each time right after emit() returned. */
  readonly emittedFile: string
}

const PAUSE_MS = 5

/** Emits events and waits until it is killed; without any to emit, it prints the result of close(). */
const { url, key, folder, projectId, events, emittedFile } = JSON.parse(process.argv[2] ?? '') as EmittingTask
const emitter = createEmitter({ url, key, spool: diskSpool({ folder, segmentBytesMax: 20_000 }), batchAgeMs: 50, batchEventsMax: 500, bufferEventsMax: 2_000 })
const file = openSync(emittedFile, 'w')
for (let emitted = 1; emitted <= events; emitted += 1) {
  emitter.emit({ project_id: projectId, metric: 'ai_tokens', value: 1 })
  writeSync(file, String(emitted).padStart(10), 0)
  if (emitted % 20 === 0) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
}
if (events > 0) await new Promise(() => setInterval(() => {}, 60_000))
process.stdout.write(JSON.stringify(await emitter.close({ timeout: 120_000 })))
