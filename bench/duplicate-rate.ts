import type { BenchTopic } from './bench-topic.ts'
import { DUPLICATES, startKafkaService } from './kafka-service.ts'
import type { Run } from './report.ts'

/** At a rate below the aim the whole day would take minutes: the rate is that of this time. */
const SECONDS_MAX = 90

export interface DuplicateRate {
  readonly duplicatesPerSecond: number
  readonly told: number
}

/** Everything that raw holds is in the topic a second time, and the service of that directory is started to read it. */
export async function measureDuplicateRate(run: Run, topic: BenchTopic, { directory, events }: { directory: string; events: number }): Promise<DuplicateRate> {
  run.progress(`duplicates: producing ${events} events again`)
  await topic.fill(events)
  run.progress('duplicates: telling them')
  const service = await startKafkaService(directory, topic, run.closers)
  const readingMs = await service.reading
  const { atMs, metrics } = await service.until(DUPLICATES, events, SECONDS_MAX)
  await service.stop()
  const told = metrics.get(DUPLICATES) ?? Number.NaN
  return { told, duplicatesPerSecond: (told / (atMs - readingMs)) * 1000 }
}
