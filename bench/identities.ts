import { fileURLToPath } from 'node:url'
import { runForked } from './forked-task.ts'
import { type IdentitiesFigures, type IdentitiesTask, KINDS, LOOK_UPS } from './identities-main.ts'
import type { Report, Run, Table } from './report.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'

const SIZES = [2_000_000, 20_000_000, 50_000_000]
const MAIN = fileURLToPath(new URL('./identities-main.ts', import.meta.url))

/** Measures how duplicates are detected among many stored events: look-ups, the filter, a start, reconciling, and the price of the index. */
export async function measureIdentities(run: Run): Promise<Report> {
  const sizes = run.events === undefined ? SIZES : [run.events]
  const measured: { events: number; figures: IdentitiesFigures }[] = []
  for (const events of sizes) {
    run.progress(`identities: ${millions(events)} events`)
    const directory = makeTemporaryDirectory(run.closers)
    measured.push({ events, figures: await runForked<IdentitiesTask, IdentitiesFigures>(MAIN, { directory, events }, run.closers) })
  }
  return {
    name: 'identities',
    notes: [
      '5,000 projects, 24 months, random ids, stored in the order of their days. "In raw" is the look-up without the index, in the same run.',
      'Redelivered events are of one day, as after an outage, or of all months. A batch to reconcile has 40,000 events of all 24 months.',
      'A start is measured under full load, with a range in doubt. The price of the index is that of inserts of 50,000 rows with and without it, by turns.',
    ],
    tables: [lookUpTable(measured), startTable(measured), priceTable(measured)],
    figures: Object.assign({}, ...measured.map(({ events, figures }) => figuresOf(events, figures))) as Record<string, number>,
  }
}

type Measured = readonly { readonly events: number; readonly figures: IdentitiesFigures }[]

function lookUpTable(measured: Measured): Table {
  const rows = measured.flatMap(({ events, figures }) =>
    KINDS.flatMap((kind) =>
      LOOK_UPS.map((identities) => {
        const found = figures.lookUps.find((each) => each.kind === kind && each.identities === identities)
        const [indexedMs, rawMs] = [found?.indexedMs ?? Number.NaN, found?.rawMs]
        const ratio = rawMs === undefined ? '' : (rawMs / indexedMs).toFixed(1)
        return [millions(events), kind, identities.toLocaleString('en-US'), ratio, indexedMs.toFixed(0), rawMs?.toFixed(0) ?? '']
      }),
    ),
  )
  return { title: 'Look-ups', columns: ['stored events', 'identities', 'count', 'ratio', 'ms in the index', 'ms in raw'], rows }
}

function startTable(measured: Measured): Table {
  const rows = measured.map(({ events, figures: { start, fill, reconcile } }) => [
    millions(events),
    start.openSeconds.toFixed(1),
    start.fullSpeedSeconds.toFixed(1),
    start.filterSeconds.toFixed(1),
    (start.eventsPerSecondBefore / start.eventsPerSecondAfter).toFixed(2),
    Math.round(start.eventsPerSecondAfter).toLocaleString('en-US'),
    `${fill.seconds.toFixed(1)} (${fill.cpuSeconds.toFixed(1)})`,
    `${reconcile.wholeMs.toFixed(0)} / ${reconcile.tornMs.toFixed(0)}`,
  ])
  const columns = [
    'stored events',
    's until open',
    's until full speed',
    's until the filter is complete',
    'ratio of speed before it',
    'events/s after it',
    's to fill alone (CPU)',
    'ms to reconcile, whole / torn',
  ]
  return { title: 'A start', columns, rows }
}

function priceTable(measured: Measured): Table {
  const rows = measured.map(({ events, figures: { price, bytesPerEvent } }) => [
    millions(events),
    price.ratio.toFixed(2),
    `${price.cpuMicrosecondsPerEvent.without.toFixed(1)} / ${price.cpuMicrosecondsPerEvent.with.toFixed(1)}`,
    `${(bytesPerEvent['raw_usage_events_v1'] ?? Number.NaN).toFixed(1)} / ${(bytesPerEvent['identity_hashes_v1'] ?? Number.NaN).toFixed(1)}`,
  ])
  const columns = ['stored events', 'ratio of insert rate, with / without', 'CPU µs per event, without / with', 'bytes per event, raw / index']
  return { title: 'The price of the index', columns, rows }
}

function figuresOf(events: number, { lookUps, start, fill, reconcile, price, bytesPerEvent }: IdentitiesFigures): Record<string, number> {
  const size = `${events / 1e6}m`
  const named: Record<string, number> = {
    [`start_${size}_full_speed_seconds`]: start.fullSpeedSeconds,
    [`start_${size}_filter_seconds`]: start.filterSeconds,
    [`ratio_start_${size}_before_filter`]: start.eventsPerSecondBefore / start.eventsPerSecondAfter,
    [`fill_${size}_seconds`]: fill.seconds,
    [`reconcile_${size}_whole_ms`]: reconcile.wholeMs,
    [`reconcile_${size}_torn_ms`]: reconcile.tornMs,
    [`ratio_insert_${size}_with_index`]: price.ratio,
    [`index_${size}_bytes_per_event`]: bytesPerEvent['identity_hashes_v1'] ?? Number.NaN,
  }
  for (const { kind, identities, indexedMs } of lookUps) named[`look_up_${size}_${kind.replaceAll(' ', '_')}_${identities}_ms`] = indexedMs
  return named
}

function millions(events: number): string {
  return `${events / 1e6} M`
}
