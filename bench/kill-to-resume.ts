import type { BenchTopic } from './bench-topic.ts'
import { COUNTED, startKafkaService } from './kafka-service.ts'
import type { Run } from './report.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'

const KILLS = 5

/** Seconds from each SIGKILL of a reading process until a process started immediately on the same directory has counted an event. */
export async function measureKillToResume({ closers, progress }: Run, topic: BenchTopic): Promise<number[]> {
  const directory = makeTemporaryDirectory(closers)
  let service = await startKafkaService(directory, topic, closers)
  await service.until(COUNTED, 1)
  const seconds: number[] = []
  for (let kill = 0; kill < KILLS; kill += 1) {
    progress(`kill ${kill + 1} of ${KILLS}`)
    const killedMs = performance.now()
    await service.kill()
    service = await startKafkaService(directory, topic, closers)
    const { atMs } = await service.until(COUNTED, 1)
    seconds.push((atMs - killedMs) / 1000)
  }
  await service.stop()
  return seconds
}
