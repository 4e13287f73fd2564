import { measureEventRates } from './event-rates.ts'
import type { Report, Run } from './report.ts'
import { measureUsageLatency } from './usage-latency.ts'

/** Measures one process over HTTP: how fast events become durable, how fast usage is answered, and how much memory that takes. */
export async function measureHttp(run: Run): Promise<Report> {
  const rates = await measureEventRates(run)
  const latency = await measureUsageLatency(run)
  return {
    name: 'http',
    notes: [
      'The service is one process with the embedded engine and fsync, as in production; the load generator is another. Both share these cores, so the CPU time of the load generator is missing from the service.',
      ...rates.notes,
      ...latency.notes,
    ],
    tables: [...rates.tables, ...latency.tables],
    figures: { ...rates.figures, ...latency.figures },
  }
}
