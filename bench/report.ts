import { availableParallelism, cpus, totalmem } from 'node:os'
import type { Closers } from '../service/closers.ts'

export type Measurement = (run: Run) => Promise<Report>

export interface Run {
  /** Closes what the measurement opened, whether it succeeds or fails. */
  readonly closers: Closers
  readonly progress: (step: string) => void
  /** How many events to measure with; undefined: the number for which the aims are stated. */
  readonly events: number | undefined
  /** Measure the sizes for which the aims are stated, where these take much longer. */
  readonly full: boolean
}

export interface Report {
  readonly name: string
  /** What a reader must know to understand the figures. */
  readonly notes: readonly string[]
  readonly tables: readonly Table[]
  /** The same figures for programs. Ratios are named `ratio_…`; every other name ends in its unit. */
  readonly figures: Readonly<Record<string, number>>
  /** The aim that was missed, if the program must fail then. */
  readonly missed?: string | undefined
}

export interface Table {
  readonly title: string
  /** Ratios come first: absolute figures of one machine say little about another. */
  readonly columns: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/** Prints Markdown, or one JSON object. */
export function printReport({ name, notes, tables, figures }: Report, json: boolean): void {
  if (json) {
    const rounded = Object.entries(figures).map(([key, value]) => [key, Number(value.toPrecision(4))])
    process.stdout.write(`${JSON.stringify({ measurement: name, machine: machine(), ...Object.fromEntries(rounded) })}\n`)
    return
  }
  const head = [`Machine: ${machine()}.`, ...notes].map((line) => `- ${line}`)
  process.stdout.write(`${[`## npm run bench -- ${name}`, head.join('\n'), ...tables.map(markdown)].join('\n\n')}\n`)
}

export function mebibytes(bytes: number): string {
  return (bytes / 1024 ** 2).toFixed(0)
}

function machine(): string {
  return `${availableParallelism()} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), ${Math.round(totalmem() / 1024 ** 3)} GiB, Node ${process.versions.node}`
}

function markdown({ title, columns, rows }: Table): string {
  const widths = columns.map((column, index) => Math.max(column.length, ...rows.map((row) => row[index]?.length ?? 0)))
  const line = (cells: readonly string[]) => `| ${cells.map((cell, index) => cell.padStart(widths[index] ?? 0)).join(' | ')} |`
  return [`### ${title}`, '', line(columns), line(widths.map((width) => `${'-'.repeat(width - 1)}:`)), ...rows.map(line)].join('\n')
}
