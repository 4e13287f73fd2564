import type { BenchTopic } from './bench-topic.ts'
import { COUNTED, startKafkaService } from './kafka-service.ts'
import type { Run } from './report.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'

const KILLS = 5
/** Many times what it takes. If nothing is counted for so long, the topic has no more events to count. */
const RESUME_SECONDS_MAX = 60

/**
 * Seconds from each SIGKILL of a reading process until a process started immediately on the same directory has counted an event.
 * Fewer kills are measured if the events do not last; throws if they do not last for one.
 */
export async function measureKillToResume({ closers, progress }: Run, topic: BenchTopic): Promise<number[]> {
  const directory = makeTemporaryDirectory(closers)
  let service = await startKafkaService({ dataDir: directory }, topic, closers)
  await service.until(COUNTED, 1)
  const seconds: number[] = []
  for (let kill = 0; kill < KILLS; kill += 1) {
    progress(`kill ${kill + 1} of ${KILLS}`)
    const killedMs = performance.now()
    await service.kill()
    service = await startKafkaService({ dataDir: directory }, topic, closers)
    const { atMs, metrics } = await service.until(COUNTED, 1, RESUME_SECONDS_MAX)
    if ((metrics.get(COUNTED) ?? 0) === 0) {
      progress(`all events were counted before kill ${kill + 1}; measure with more of them (--events=<n>)`)
      break
    }
    seconds.push((atMs - killedMs) / 1000)
  }
  await service.stop()
  if (seconds.length === 0) throw new Error('There were too few events to measure a kill: give more of them with --events=<n>.')
  return seconds
}
