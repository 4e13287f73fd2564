import type { Writable } from 'node:stream'
import { DELETE_PROJECT } from '../contract/projects.ts'
import type { DemoClient } from './demo-client.ts'
import { type Emitted, Emitter } from './emit.ts'
import { Progress } from './progress.ts'
import type { DemoSetup } from './set-up.ts'
import { storyOfDays } from './world.ts'

interface StorySpan {
  readonly firstDayMs: number
  readonly nowMs: number
  readonly events: number
}

export interface EmittedStory {
  readonly emitted: Emitted
  readonly late: number
  readonly seconds: number
}

/** Sends the story's events day by day, and deletes the projects that the story deletes at the end of a day. */
export async function emitStory(client: DemoClient, { partner, ingestKey, projects }: DemoSetup, span: StorySpan, stream: Writable): Promise<EmittedStory> {
  const progress = new Progress(stream)
  let today = new Date(span.firstDayMs).toISOString().slice(0, 10)
  let late = 0
  const { url, signal } = client
  const emitter = new Emitter({ url, signal, ingestKey, onProgress: (sent) => progress.update(sent, today) })
  const startedMs = performance.now()
  progress.start(span.events, today)
  try {
    for (const { day, events, late: lateOfDay, mistakes, deleted } of storyOfDays(projects, { ...span, eventsWanted: span.events })) {
      today = day
      late += lateOfDay
      await emitter.emit(events)
      // An event is a conflict only after the first one with its id is counted, and a project is deleted after its last day is counted.
      if (mistakes.length > 0 || deleted.length > 0) await emitter.flush()
      await emitter.emit(mistakes)
      for (const { id } of deleted) await client.asPartner(partner, DELETE_PROJECT, { params: { partnerId: partner.partnerId, projectId: id } })
    }
    await emitter.flush()
    progress.finish(emitter.emitted.sent)
    return { emitted: emitter.emitted, late, seconds: (performance.now() - startedMs) / 1000 }
  } finally {
    progress.stop()
  }
}
