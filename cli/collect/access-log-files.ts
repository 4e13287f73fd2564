import { stat } from 'node:fs/promises'
import { collectAccessLog } from '../../emitter/collectors/access-log.ts'
import type { CumulativeMetric } from '../../emitter/event.ts'
import { METRIC_NAMES, METRICS } from '../../metering/metrics.ts'
import { usageError } from '../errors.ts'
import { openContent, STDIN } from '../import/open-content.ts'
import { notOneOf } from '../not-one-of.ts'
import type { CollectedPart, Collector } from './collector.ts'
import { requirePattern } from './project-options.ts'

export interface AccessLogFlags {
  readonly projectPattern: string
  readonly by: string
  readonly bytes: string
  readonly calls?: string
  readonly status?: string
  readonly source?: string
  readonly complete?: boolean
}

/** A server may write to a log for a little while after its rotation. */
const QUIET_MS = 300_000
const HOUR_MS = 3_600_000
const PACKED = /\.(gz|zst)$/

/** Collects access logs, one file after the other. Throws CliError for mistakes in the call. */
export function accessLogCollector(files: readonly string[], flags: AccessLogFlags): Collector {
  if (files.includes(STDIN))
    throw usageError('An access log cannot be read from stdin.', 'Name its files: a sum is sent when the file shows that its hour is over.')
  if (flags.by !== 'path' && flags.by !== 'host') throw notOneOf('--by', flags.by, ['path', 'host'])
  const by: 'path' | 'host' = flags.by
  const projectOfText = requirePattern(flags.projectPattern)
  const bytesMetric = flags.bytes === 'none' ? undefined : requireCumulative(flags.bytes, '--bytes')
  const callsMetric = flags.calls === undefined ? undefined : requireCumulative(flags.calls, '--calls')
  if (bytesMetric === callsMetric) throw usageError('--bytes and --calls count for nothing, or for the same metric.', 'Give each a metric of its own.')
  const isCall = requireStatus(flags.status)
  const read = async (file: string, isComplete: boolean): Promise<CollectedPart> => {
    try {
      const { chunks } = await openContent(file)
      const projectOf = (line: { host: string; path: string }) => projectOfText(line[by])
      return await collectAccessLog({ chunks, isComplete, projectOf, bytesMetric, callsMetric, isCall, source: flags.source })
    } catch (error) {
      const next = 'Collect again: what was counted is not counted again.'
      return { samples: [], ignored: [], failures: [{ source: file, message: error instanceof Error ? error.message : String(error), next }] }
    }
  }
  const collect = async function* () {
    for (const [index, file] of files.entries()) {
      const isLast = index === files.length - 1
      yield await read(file, flags.complete === true || PACKED.test(file) || (!isLast && (await isQuiet(file))))
    }
  }
  return { name: 'access-log', slotMs: HOUR_MS, collect }
}

async function isQuiet(file: string): Promise<boolean> {
  const found = await stat(file).catch(() => undefined)
  return found !== undefined && found.mtimeMs < Date.now() - QUIET_MS
}

function requireCumulative(metric: string, option: string): CumulativeMetric {
  const names = METRIC_NAMES.filter((name) => METRICS[name].kind === 'cumulative')
  const found = names.find((name) => name === metric)
  if (found === undefined) throw notOneOf(option, metric, names)
  return found as CumulativeMetric
}

function requireStatus(classes: string | undefined): (status: number) => boolean {
  if (classes === undefined) return () => true
  const wanted = classes.split(',')
  const wrong = wanted.find((each) => !/^[1-5]xx$/.test(each))
  if (wrong !== undefined) throw notOneOf('--status', wrong, ['1xx', '2xx', '3xx', '4xx', '5xx'])
  return (status) => wanted.includes(`${Math.floor(status / 100)}xx`)
}
