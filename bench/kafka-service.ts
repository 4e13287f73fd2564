import type { Closers } from '../service/closers.ts'
import { type BenchTopic, PARTITIONS } from './bench-topic.ts'
import { type ServiceProcess, startServiceProcess } from './service-process.ts'

export interface KafkaService extends ServiceProcess {
  /** performance.now() when the group had assigned a partition and its log was taken: reading begins. */
  readonly reading: Promise<number>
  /** Polls until a metric reaches a value, or for `secondsMax`. Returns when that was and what was read last. */
  until(metric: string, value: number, secondsMax?: number): Promise<ConnectedKafka>
}

export interface ConnectedKafka {
  readonly atMs: number
  readonly metrics: ReadonlyMap<string, number>
  /** The most memory that was seen on the way. */
  readonly rssBytesMax: number
}

export const COUNTED = 'meterline_events_counted_total'
export const DUPLICATES = 'meterline_events_duplicate_total'
export const CPU_SECONDS = 'process_cpu_seconds_total'
const SECONDS_MAX = 1_800
const POLL_MS = 100

/** Everything in one process, reading the topic from its begin, or from where this data directory stands. */
export async function startKafkaService(dataDir: string, { brokers, topic }: BenchTopic, closers: Closers): Promise<KafkaService> {
  let tellReading: (atMs: number) => void = () => {}
  const reading = new Promise<number>((resolve) => {
    tellReading = resolve
  })
  const service = await startServiceProcess(dataDir, closers, {
    environment: {
      KAFKA_BROKERS: brokers.join(','),
      KAFKA_TOPIC: topic,
      KAFKA_PARTITIONS: String(PARTITIONS),
      // One group a directory: another would find the members of the run before.
      KAFKA_GROUP: `bench${dataDir.replaceAll(/\W/g, '-')}`,
      // Statements of four logs beside each other, and what else Node hands to its pool.
      UV_THREADPOOL_SIZE: '16',
    },
    onLine: (line) => {
      if (line.includes('"the lease of the log is acquired"')) tellReading(performance.now())
      // A log in doubt or stopped explains a figure that nobody would believe.
      if (/"level":[56]0/.test(line)) process.stderr.write(`${line}\n`)
    },
  })
  return { ...service, reading, until: (metric, value, secondsMax = SECONDS_MAX) => until(service, { metric, value, secondsMax }) }
}

async function until(service: ServiceProcess, { metric, value, secondsMax }: { metric: string; value: number; secondsMax: number }): Promise<ConnectedKafka> {
  const startedMs = performance.now()
  let rssBytesMax = 0
  for (;;) {
    const metrics = await service.metrics()
    const atMs = performance.now()
    rssBytesMax = Math.max(rssBytesMax, metrics.get('process_resident_memory_bytes') ?? 0)
    if ((metrics.get(metric) ?? 0) >= value) return { atMs, metrics, rssBytesMax }
    if (atMs - startedMs > secondsMax * 1000) {
      if (secondsMax < SECONDS_MAX) return { atMs, metrics, rssBytesMax }
      throw new Error(`${metric} did not reach ${value} within ${secondsMax} s; it is ${metrics.get(metric)}.`)
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}
