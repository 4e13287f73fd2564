import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { Table } from './report.ts'

/** A run, as it is kept in bench/results. */
export type Result = z.infer<typeof ResultSchema>

const SIZES = ['small', 'stated', 'full'] as const

export const ResultSchema = z.object({
  measurement: z.string(),
  /** UTC, to the second. */
  at: z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
  /** Runs are compared with runs of the same size. */
  size: z.enum(SIZES),
  /** The value of --events, if it was given. */
  events: z.number().optional(),
  machine: z.object({ cpu: z.string(), cores: z.number(), memory_gib: z.number(), node: z.string(), engine: z.string() }),
  figures: z.record(z.string(), z.number()),
})

/** Writes one file per run and returns its name. The figures have four digits, so that files stay small. */
export function keepResult(folder: string, result: Result): string {
  mkdirSync(folder, { recursive: true })
  const name = `${result.at.replaceAll(/[:-]/g, '')}-${result.measurement}-${result.size}.json`
  writeFileSync(join(folder, name), `${JSON.stringify(result, null, 2)}\n`)
  return name
}

export function roundFigures(figures: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(figures).flatMap(([key, value]) => (Number.isFinite(value) ? [[key, Number(value.toPrecision(4))]] : [])))
}

/** The last committed result of the same measurement and size; undefined without one, or without Git. */
export function lastCommitted(folder: string, { measurement, size, events }: Pick<Result, 'measurement' | 'size' | 'events'>): Result | undefined {
  const committed = committedFiles(folder).map((name) => ResultSchema.parse(JSON.parse(git(folder, ['show', `HEAD:./${name}`]))))
  const same = committed.filter((each) => each.measurement === measurement && each.size === size && each.events === events)
  return same.sort((a, b) => (a.at < b.at ? -1 : 1)).at(-1)
}

function committedFiles(folder: string): string[] {
  try {
    return git(folder, ['ls-tree', '--name-only', 'HEAD', '.'])
      .split('\n')
      .filter((name) => name.endsWith('.json'))
  } catch {
    return []
  }
}

function git(folder: string, args: readonly string[]): string {
  return execFileSync('git', [...args], { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
}

/** Compares the ratios, which say something across machines, of two runs. Ratios that only one of them has are listed too. */
export function compareResults(before: Result, now: Result): Table {
  const keys = [...new Set([...Object.keys(before.figures), ...Object.keys(now.figures)])].filter((key) => key.startsWith('ratio_')).sort()
  const rows = keys.map((key) => {
    const [earlier, later] = [before.figures[key], now.figures[key]]
    const change =
      earlier === undefined || later === undefined || earlier === 0 ? '' : `${later >= earlier ? '+' : ''}${((later / earlier - 1) * 100).toFixed(0)} %`
    return [key, earlier?.toPrecision(3) ?? 'none', later?.toPrecision(3) ?? 'none', change]
  })
  const other = JSON.stringify(before.machine) === JSON.stringify(now.machine) ? '' : ', which ran on another machine'
  return { title: `Compared with the committed run of ${before.at}${other}`, columns: ['ratio', 'then', 'now', 'change'], rows }
}
