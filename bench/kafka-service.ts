import type { Closers } from '../service/closers.ts'
import { type BenchTopic, variablesOf } from './bench-topic.ts'
import { type ServiceOptions, type ServiceProcess, startServiceProcess } from './service-process.ts'

export interface KafkaService extends ServiceProcess {
  /** performance.now() when the first partition was assigned and the lease of its log acquired, so that reading began. */
  readonly reading: Promise<number>
  /** Polls until a metric reaches a value, or for `secondsMax`. Returns the time and the last metrics. */
  until(metric: string, value: number, secondsMax?: number): Promise<Reached>
}

export interface Reached {
  readonly atMs: number
  readonly metrics: ReadonlyMap<string, number>
  /** The highest memory that was seen while polling. */
  readonly rssBytesMax: number
}

export const COUNTED = 'meterline_events_counted_total'
export const DUPLICATES = 'meterline_events_duplicate_total'
export const CPU_SECONDS = 'process_cpu_seconds_total'
const SECONDS_MAX = 1_800
const POLL_MS = 100

export interface KafkaServiceOptions extends Pick<ServiceOptions, 'part' | 'environment'> {
  readonly dataDir: string
}

/**
 * Starts everything in one process, or a part of it. It reads the topic from its beginning, or from the position stored in this data
 * directory, or in the store of the environment.
 */
export async function startKafkaService({ dataDir, part, environment }: KafkaServiceOptions, topic: BenchTopic, closers: Closers): Promise<KafkaService> {
  let onReading: (atMs: number) => void = () => {}
  const reading = new Promise<number>((resolve) => {
    onReading = resolve
  })
  const service = await startServiceProcess(dataDir, closers, {
    part,
    environment: {
      ...variablesOf(topic),
      // One group per directory: a shared group would still have the members of the previous run.
      KAFKA_GROUP: `bench${dataDir.replaceAll(/\W/g, '-')}`,
      ...environment,
    },
    onLine: (line) => {
      if (line.includes('"the lease of the log is acquired"')) onReading(performance.now())
      // An error, such as a stopped log, explains an implausible figure.
      if (/"level":[56]0/.test(line)) process.stderr.write(`${line}\n`)
    },
  })
  return { ...service, reading, until: (metric, value, secondsMax = SECONDS_MAX) => until(service, { metric, value, secondsMax }) }
}

async function until(service: ServiceProcess, { metric, value, secondsMax }: { metric: string; value: number; secondsMax: number }): Promise<Reached> {
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
