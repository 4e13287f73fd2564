import type { Closers } from '../service/closers.ts'
import { describeMachine, type Machine } from './machine.ts'

export type Measurement = (run: Run) => Promise<Report>

export interface Run {
  /** Closes what the measurement opened, whether it succeeds or fails. */
  readonly closers: Closers
  readonly progress: (step: string) => void
  /** How many events to measure with; undefined: the number for which the aims are stated. */
  readonly events: number | undefined
  /** Measure the sizes for which the aims are stated, where these take much longer. */
  readonly full: boolean
  /** Measure so little that all measurements together take about ten minutes: figures are rough. */
  readonly small: boolean
}

/** As many rounds as a measurement needs for its figures, or one if it is to be small. */
export function roundsOf({ small }: Pick<Run, 'small'>, stated: number): number {
  return small ? 1 : stated
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
  /** A picture of the figures, as SVG. */
  readonly picture?: string
}

export interface Table {
  readonly title: string
  /** Ratios come first: absolute figures of one machine say little about another. */
  readonly columns: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/** The report as Markdown. */
export function reportText({ name, notes, tables }: Omit<Report, 'figures'>, machine: Machine): string {
  const head = [`Machine: ${describeMachine(machine)}.`, ...notes].map((line) => `- ${line}`)
  return `${[`## npm run bench -- ${name}`, head.join('\n'), ...tables.map(tableText)].join('\n\n')}\n`
}

export function mebibytes(bytes: number): string {
  return (bytes / 1024 ** 2).toFixed(0)
}

export function tableText({ title, columns, rows }: Table): string {
  const widths = columns.map((column, index) => Math.max(column.length, ...rows.map((row) => row[index]?.length ?? 0)))
  const line = (cells: readonly string[]) => `| ${cells.map((cell, index) => cell.padStart(widths[index] ?? 0)).join(' | ')} |`
  return [`### ${title}`, '', line(columns), line(widths.map((width) => `${'-'.repeat(width - 1)}:`)), ...rows.map(line)].join('\n')
}
