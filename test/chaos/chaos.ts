import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { OTHER_KINDS } from './plan.ts'
import { type ChaosOptions, runChaos } from './run-chaos.ts'
import { PARTITIONS, System } from './system.ts'

/**
 * npm run chaos -- --kills N --seed S: kills broker, store and processes N times under load, then compares all results with an
 * independent count of the topic. The same seed gives the same plan; what a kill interrupts depends on timing. `--others` chooses
 * what else is done (test/chaos/plan.ts), `--shards` how many ClickHouse servers have the events. Exit code 1 means that something
 * differs or that the run could not finish; the logs of all processes are kept then.
 */
const USAGE = `Usage: npm run chaos -- --kills N [--seed S] [--others ${OTHER_KINDS.join(',')}] [--old-events N] [--shards N] [--without-baseline]
N shards: a number by which the ${PARTITIONS} partitions can be divided, without CLICKHOUSE_URL.`
const DIFFERENCES_SHOWN_MAX = 20
const OLD_EVENTS_PER_KILL = 2_000
const OLD_EVENTS = 20_000

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '12' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    others: { type: 'string', default: OTHER_KINDS.join(',') },
    'old-events': { type: 'string' },
    shards: { type: 'string', default: '1' },
    'without-baseline': { type: 'boolean', default: false },
  },
})
const options: ChaosOptions = {
  kills: Number(values.kills),
  seed: Number(values.seed),
  withBaseline: !values['without-baseline'],
  others: OTHER_KINDS.filter((kind) => values.others.split(',').includes(kind)),
  oldEvents: Number(values['old-events'] ?? Math.min(Number(values.kills) * OLD_EVENTS_PER_KILL, OLD_EVENTS)),
}
const shards = Number(values.shards)
const directory = mkdtempSync(join(tmpdir(), 'chaos-'))
let system: System | undefined

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void finish(1, `stopped by ${signal}`))
await main().catch((error: unknown) => finish(1, error instanceof Error ? (error.stack ?? error.message) : String(error)))

async function main(): Promise<void> {
  const { kills, seed, oldEvents, others } = options
  const givenClickHouse = process.env['CLICKHOUSE_URL'] || undefined
  if (
    kills < 1 ||
    shards < 1 ||
    ![kills, seed, oldEvents, shards].every(Number.isSafeInteger) ||
    PARTITIONS % shards !== 0 ||
    (shards !== 1 && givenClickHouse !== undefined) ||
    values.others.split(',').some((kind) => kind !== '' && !others.some((each) => each === kind))
  )
    throw new Error(USAGE)
  console.log(`chaos: seed ${seed}, ${kills} kills${shards === 1 ? '' : `, ${shards} shards`}`)
  system = await System.start({ directory, seed, shards, givenClickHouse })
  for (const kind of ['kill_broker', 'kill_clickhouse'] as const)
    if (!system.killable.includes(kind)) console.log(`${kind.replace('_', ' ')} is left out: this run did not start it`)
  for (const kind of OTHER_KINDS) if (!others.includes(kind)) console.log(`${kind.replace('_', ' ')} is left out`)
  const { differences, records, kills: killed } = await runChaos(system, options)
  for (const difference of differences.slice(0, DIFFERENCES_SHOWN_MAX)) console.log(`  ${difference}`)
  if (differences.length > DIFFERENCES_SHOWN_MAX) console.log(`  and ${differences.length - DIFFERENCES_SHOWN_MAX} more`)
  await finish(differences.length > 0 ? 1 : 0, `chaos: ${killed} kills, ${records} events, ${differences.length} differences`)
}

/** Stops everything that was started, whatever happened, and exits. */
async function finish(code: number, lastLine: string): Promise<never> {
  await system?.end().catch((error: unknown) => console.log(`some processes could not be stopped: ${String(error)}`))
  if (code === 0) rmSync(directory, { recursive: true, force: true })
  else {
    rmSync(join(directory, 'clickhouse'), { recursive: true, force: true })
    console.log(`the logs of the processes are in ${join(directory, 'logs')} (seed ${options.seed})`)
  }
  console.log(lastLine)
  process.exit(code)
}
