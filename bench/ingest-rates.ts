import { fileURLToPath } from 'node:url'
import type { BenchTopic } from './bench-topic.ts'
import { runForked } from './forked-task.ts'
import type { KafkaEngineResult, KafkaEngineTask } from './kafka-engine-main.ts'
import { COUNTED, CPU_SECONDS, type KafkaService, startKafkaService } from './kafka-service.ts'
import type { Run } from './report.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'
import type { WithoutFsyncTask } from './without-fsync-main.ts'

export interface RateSide {
  readonly name: 'meterline' | 'kafka_engine' | 'meterline_no_fsync' | 'kafka_engine_no_fsync'
  readonly what: string
  readonly ours: boolean
  readonly fsync: boolean
  /** Per round. */
  readonly eventsPerSecond: number[]
  readonly cpuSecondsPerMillion: number[]
  readonly rssBytesMax: number[]
}

export interface IngestRates {
  readonly sides: readonly RateSide[]
  /** The last service with fsync. It is still running, and its raw has all events. */
  readonly service: KafkaService
  readonly directory: string
}

/** Meterline and the Kafka engine alternately read the same topic from its beginning into the same tables of the same engine, each in its own directory. */
export async function measureIngestRates(run: Run, topic: BenchTopic, { events, rounds }: { events: number; rounds: number }): Promise<IngestRates> {
  const sides: readonly RateSide[] = [
    { name: 'meterline_no_fsync', what: 'Meterline, no fsync', ours: true, fsync: false, ...noSamples() },
    { name: 'kafka_engine_no_fsync', what: 'Kafka engine, no fsync', ours: false, fsync: false, ...noSamples() },
    { name: 'kafka_engine', what: 'Kafka engine', ours: false, fsync: true, ...noSamples() },
    { name: 'meterline', what: 'Meterline', ours: true, fsync: true, ...noSamples() },
  ]
  let last: Pick<IngestRates, 'service' | 'directory'> | undefined
  for (let round = 0; round < rounds; round += 1) {
    for (const side of sides) {
      run.progress(`events, round ${round + 1} of ${rounds}: ${side.what}`)
      await last?.service.stop()
      const directory = makeTemporaryDirectory(run.closers)
      if (side.ours) last = { directory, service: await measureMeterline(run, topic, { side, events, directory }) }
      else await measureKafkaEngine(run, topic, { side, events, directory })
      run.progress(`  ${Math.round(side.eventsPerSecond.at(-1) ?? 0)} events/s, ${side.cpuSecondsPerMillion.at(-1)?.toFixed(1)} CPU s / million`)
    }
  }
  if (last === undefined) throw new Error('Nothing was measured.')
  return { sides, ...last }
}

function noSamples() {
  return { eventsPerSecond: [], cpuSecondsPerMillion: [], rssBytesMax: [] }
}

interface RateRun {
  readonly side: RateSide
  readonly events: number
  readonly directory: string
}

async function measureMeterline({ closers }: Run, topic: BenchTopic, { side, events, directory }: RateRun): Promise<KafkaService> {
  if (!side.fsync) await runForked<WithoutFsyncTask, object>(WITHOUT_FSYNC_MAIN, { directory }, closers)
  const service = await startKafkaService({ dataDir: directory }, topic, closers)
  const readingMs = await service.reading
  const cpuBefore = (await service.metrics()).get(CPU_SECONDS) ?? Number.NaN
  const { atMs, metrics, rssBytesMax } = await service.until(COUNTED, events)
  side.eventsPerSecond.push((events / (atMs - readingMs)) * 1000)
  side.cpuSecondsPerMillion.push((((metrics.get(CPU_SECONDS) ?? Number.NaN) - cpuBefore) / events) * 1e6)
  side.rssBytesMax.push(rssBytesMax)
  return service
}

async function measureKafkaEngine({ closers }: Run, { brokers, topic, partitions }: BenchTopic, { side, events, directory }: RateRun): Promise<void> {
  const task = { directory, brokers, topic, group: `bench${directory.replaceAll(/\W/g, '-')}`, partitions, events, fsync: side.fsync }
  const { seconds, cpuSeconds, rssBytes } = await runForked<KafkaEngineTask, KafkaEngineResult>(KAFKA_ENGINE_MAIN, task, closers)
  side.eventsPerSecond.push(events / seconds)
  side.cpuSecondsPerMillion.push((cpuSeconds / events) * 1e6)
  side.rssBytesMax.push(rssBytes)
}

const KAFKA_ENGINE_MAIN = fileURLToPath(new URL('./kafka-engine-main.ts', import.meta.url))
const WITHOUT_FSYNC_MAIN = fileURLToPath(new URL('./without-fsync-main.ts', import.meta.url))
