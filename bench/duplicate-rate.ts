import type { BenchTopic } from './bench-topic.ts'
import { DUPLICATES, startKafkaService } from './kafka-service.ts'
import type { Run } from './report.ts'

/** Below the aimed rate, reading all events again would take minutes, so the rate is measured over at most this time. */
const SECONDS_MAX = 90

export interface DuplicateRate {
  readonly duplicatesPerSecond: number
  readonly detected: number
}

/** Produces every event that is in raw a second time, and measures how fast a service on that directory detects the duplicates. */
export async function measureDuplicateRate(run: Run, topic: BenchTopic, { directory, events }: { directory: string; events: number }): Promise<DuplicateRate> {
  run.progress(`duplicates: producing ${events} events again`)
  await topic.fill(events)
  run.progress('duplicates: detecting them')
  const service = await startKafkaService({ dataDir: directory }, topic, run.closers)
  const readingMs = await service.reading
  const { atMs, metrics } = await service.until(DUPLICATES, events, SECONDS_MAX)
  await service.stop()
  const detected = metrics.get(DUPLICATES) ?? Number.NaN
  return { detected, duplicatesPerSecond: (detected / (atMs - readingMs)) * 1000 }
}
