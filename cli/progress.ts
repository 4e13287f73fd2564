import { Presets, SingleBar } from 'cli-progress'
import { grouped } from '../metering/grouped.ts'
import type { OutputOptions } from './session.ts'

const REDRAWS_PER_SECOND = 10

export interface Progress {
  /** How much is done, in the unit of `total`. */
  update(done: number): void
  /** Removes the bar. Must be called however the work ends: the timer of a running bar keeps the process alive. */
  stop(): void
}

export interface Work {
  /** What happens, for example "Reading usage.csv". */
  readonly label: string
  readonly unit: 'bytes' | 'rows'
  /** Undefined if nobody knows before the end. */
  readonly total?: number | undefined
}

/** Shows the progress of long work on stderr: on a terminal only, and not for programs. */
export function startProgress({ json }: OutputOptions, { label, unit, total }: Work): Progress {
  if (json === true || process.stderr.isTTY !== true) return { update: () => {}, stop: () => {} }
  const amount = `{value} ${unit}`
  const bar = new SingleBar(
    {
      format: total === undefined ? `${label}: ${amount}, {duration_formatted}` : `${label} {bar} {percentage} %, ${amount}, {eta_formatted} left`,
      formatValue: (value, _options, type) => (type === 'value' ? grouped(Math.round(value)) : String(value)),
      stream: process.stderr,
      hideCursor: true,
      clearOnComplete: true,
      barsize: 30,
      fps: REDRAWS_PER_SECOND,
    },
    Presets.shades_classic,
  )
  bar.start(total ?? 0, 0)
  return { update: (done) => bar.update(done), stop: () => bar.stop() }
}

/** The same chunks, each reported as it passes. */
export async function* withProgress(chunks: AsyncIterable<Uint8Array>, progress: Progress): AsyncIterable<Uint8Array> {
  let bytes = 0
  try {
    for await (const chunk of chunks) {
      bytes += chunk.length
      progress.update(bytes)
      yield chunk
    }
  } finally {
    progress.stop()
  }
}
