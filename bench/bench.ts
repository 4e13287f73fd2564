import { Closers } from '../cli/closers.ts'
import { measureHttp } from './http.ts'
import { type Measurement, printReport } from './report.ts'

/** Every measurement there is: `npm run bench -- <name> [--json]`. Each starts what it needs, stops by itself and cleans up. */
const MEASUREMENTS: Record<string, { what: string; measure: Measurement }> = {
  http: { what: 'events per second over HTTP beside straight inserts, usage latency, memory', measure: measureHttp },
}

const names = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
const flags = process.argv.slice(2).filter((argument) => argument.startsWith('--'))
const chosen = names.length === 1 ? MEASUREMENTS[names[0] ?? ''] : undefined
if (chosen === undefined || flags.some((flag) => flag !== '--json')) {
  const list = Object.entries(MEASUREMENTS).map(([name, { what }]) => `  ${name}  ${what}`)
  process.stderr.write(`usage: npm run bench -- <measurement> [--json]\n\nMeasurements:\n${list.join('\n')}\n`)
  process.exitCode = 1
} else {
  await run(chosen.measure, flags.includes('--json'))
}

async function run(measure: Measurement, json: boolean): Promise<void> {
  const closers = new Closers()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => closers.closeAll().finally(() => process.exit(1)))
  }
  try {
    const report = await measure({ closers, progress: (step) => process.stderr.write(`${step}\n`) })
    printReport(report, json)
  } finally {
    await closers.closeAll()
  }
}
