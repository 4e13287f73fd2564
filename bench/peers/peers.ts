import type { Report, Run } from '../report.ts'
import { measureClickHouseShape } from './clickhouse-shape.ts'
import { CLICKHOUSE_SHAPES } from './clickhouse-shapes.ts'
import { planOf } from './ingest-plan.ts'
import { measureMeterline } from './meterline-shape.ts'
import { type PeersOfSize, peersReport } from './peers-report.ts'
import { measurePostgres, POSTGRES_MISSING } from './postgres-shape.ts'
import type { ShapeResult } from './shape-result.ts'

const SIZE = 200_000
const FULL_SIZES = [200_000, 2_000_000, 20_000_000]

/** Measures Meterline beside other ways to store and read usage events, on the same engine, data and machine. */
export async function measurePeers({ closers, progress, events, full }: Run): Promise<Report> {
  const sizes = events === undefined ? (full ? FULL_SIZES : [SIZE]) : [events]
  const measured: PeersOfSize[] = []
  for (const size of sizes) {
    const plan = planOf(size)
    progress(`peers, ${size} events: Meterline`)
    const meterline = await measureMeterline(plan, closers)
    const others: ShapeResult[] = []
    for (const shape of CLICKHOUSE_SHAPES) {
      progress(`peers, ${size} events: ${shape.what}`)
      others.push(await measureClickHouseShape(shape, plan, closers))
    }
    if (POSTGRES_MISSING === undefined) {
      progress(`peers, ${size} events: PostgreSQL`)
      others.push(await measurePostgres(plan, closers))
    }
    measured.push({ events: size, sent: plan.sent, meterline, others })
  }
  const skipped = POSTGRES_MISSING === undefined ? [] : [`PostgreSQL is skipped: ${POSTGRES_MISSING}.`]
  return peersReport(measured, skipped)
}
