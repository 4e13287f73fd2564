import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Closers } from '../service/closers.ts'
import type { CapacityPlan } from './capacity/capacity.ts'
import { CAPACITY_OPTIONS, parsePlan, reportCapacity } from './capacity/capacity-command.ts'
import { readMachine } from './machine.ts'
import { figuresOfAll, measureAll } from './measure-all.ts'
import { MEASUREMENTS } from './measurements.ts'
import { type Report, reportText, tableText } from './report.ts'
import { compareResults, keepResult, lastCommitted, type Result, roundFigures } from './results.ts'

const RESULTS = fileURLToPath(new URL('./results/', import.meta.url))
const HELP = `usage: npm run bench -- [<measurement>] [--json] [--full] [--events=<n>] [--picture=<file>]

Without a name, all measurements run small, in about ten minutes; with --full, in the sizes of their aims, in hours.
A run is kept as a file in bench/results, and its ratios are compared with those of the last committed run of its size.

  --json            one JSON object, with the ratios under keys that begin with ratio_
  --full            the largest sizes: peers up to 20 million events
  --picture=<file>  the picture of peers, as SVG
  --events=<n>      measure one of them with another number of events

Measurements:
${Object.entries(MEASUREMENTS)
  .map(([name, { what }]) => `  ${name.padEnd(12)}  ${what}`)
  .join('\n')}

Without measuring:
  capacity      shards, disk, partitions, processes and memory for a load, computed from the last kept run of shards:
                --events-per-day=<n> --projects=<n>, and of one shard --cores=<n> --memory-gib=<n> --disk-tb=<n>

Examples:
  npm run bench                              everything, small
  npm run bench -- --json > figures.json     the same, for a program
  npm run bench -- peers                     beside other ways to store events, 200,000 events
  npm run bench -- peers --full              the same with 200,000, 2 million and 20 million
  npm run bench -- ingest --events=1000000   from Kafka, with a million events
  npm run bench -- capacity --events-per-day=1000000000
                                             what a billion events a day need
`

const OPTIONS = {
  json: { type: 'boolean', default: false },
  full: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
  events: { type: 'string' },
  picture: { type: 'string' },
  ...CAPACITY_OPTIONS,
} as const

await main()

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true })
  const [name] = positionals
  const events = values.events === undefined ? undefined : Number(values.events)
  const isKnown = name === undefined ? events === undefined : Object.hasOwn(MEASUREMENTS, name)
  const plan = name === 'capacity' ? parsePlan(values) : undefined
  if (values.help) process.stdout.write(HELP)
  else if (plan !== undefined) printCapacity(plan, values.json)
  else if (positionals.length > 1 || !isKnown || (events !== undefined && !(Number.isSafeInteger(events) && events > 0))) {
    process.stderr.write(HELP)
    process.exitCode = 1
  } else await run({ name, events, json: values.json, full: values.full, picture: values.picture })
}

interface Asked {
  /** Undefined: all. */
  readonly name: string | undefined
  readonly events: number | undefined
  readonly json: boolean
  readonly full: boolean
  readonly picture: string | undefined
}

async function run({ name, events, json, full, picture }: Asked): Promise<void> {
  const closers = new Closers()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => closers.closeAll().finally(() => process.exit(1)))
  }
  const progress = (step: string) => process.stderr.write(`${step}\n`)
  const size = full ? 'full' : name === undefined ? 'small' : 'stated'
  try {
    const measurement = name === undefined ? undefined : MEASUREMENTS[name]
    const { reports, failed } =
      measurement === undefined
        ? await measureAll(MEASUREMENTS, { progress, full, small: size === 'small' }, closers)
        : { reports: [await measurement.measure({ closers, events, full, small: false, progress })], failed: new Map<string, string>() }
    const figures = roundFigures(measurement === undefined ? figuresOfAll(reports) : (reports[0]?.figures ?? {}))
    const at = `${new Date().toISOString().slice(0, 19)}Z`
    printAndKeep(reports, { measurement: name ?? 'all', at, size, ...(events === undefined ? {} : { events }), machine: readMachine(), figures }, json)
    const drawn = reports.map((report) => report.picture).find((each) => each !== undefined)
    if (picture !== undefined && drawn !== undefined) writeFileSync(picture, drawn)
    const problems = [...reports.map(({ missed }) => missed).filter((each) => each !== undefined), ...[...failed].map((each) => each.join(': '))]
    for (const problem of problems) progress(problem)
    // A small run is too rough for an aim to fail it.
    if (failed.size > 0 || (problems.length > 0 && size !== 'small')) process.exitCode = 1
  } finally {
    await closers.closeAll()
  }
}

function printCapacity(plan: CapacityPlan, json: boolean): void {
  const { report, run } = reportCapacity(RESULTS, plan)
  print([report], { ...run, measurement: report.name, figures: report.figures }, json)
}

function print(reports: readonly Report[], { measurement, size, machine, figures }: Omit<Result, 'at' | 'events'>, json: boolean): void {
  if (json) process.stdout.write(`${JSON.stringify({ measurement, size, machine, ...figures })}\n`)
  else process.stdout.write(`${reports.map((report) => reportText(report, machine)).join('\n')}\n`)
}

function printAndKeep(reports: readonly Report[], result: Result, json: boolean): void {
  const before = lastCommitted(RESULTS, result)
  const kept = keepResult(RESULTS, result)
  const compared = before === undefined ? 'No committed run of this size to compare with.' : tableText(compareResults(before, result))
  print(reports, result, json)
  const notice = `${compared}\n\nKept as bench/results/${kept}; commit it to compare later runs with it.\n`
  if (json) process.stderr.write(notice)
  else process.stdout.write(notice)
}
