import type { Acknowledged } from './acknowledged.ts'
import { billionths, decimalOf } from './billionths.ts'
import { compareStates } from './compare-states.ts'
import { effectiveEvents, type Fold, sentEvents, windowsOf } from './fold.ts'
import type { CountedEvent, CountedWindow, StoredCorrection } from './folded-project.ts'
import {
  CORRECTIONS,
  LABELS_THAT_DIFFER,
  RAW_EVENTS,
  RAW_TOTALS,
  REJECTED_EVENTS,
  ROLLUP_TOTALS,
  rollupTotalsOf,
  STATES,
  type StoredOnServers,
  type Total,
  type Totals,
  totalsFromRows,
  totalsOf,
} from './stored.ts'

export interface CompareOptions {
  readonly fold: Fold
  readonly store: StoredOnServers
  readonly acknowledged: Acknowledged
  /** cluster/topic/incarnation; the name of a log is this and the partition. */
  readonly logs: string
}

/** Compares the store with the fold, row by row and total by total. Returns a description of each difference. */
export async function compareStored({ fold, store, acknowledged, logs }: CompareOptions): Promise<string[]> {
  const sent = sentEvents(fold)
  return [
    ...compareEvents(fold, await store.rows(RAW_EVENTS), logs),
    ...compareCorrections(fold, await store.rows(CORRECTIONS), logs),
    ...compareTotals('raw', totalsOf(sent), totalsFromRows(await store.rows(RAW_TOTALS))),
    ...compareTotals('rollup', rollupTotalsOf(sent, effectiveEvents(fold), windowsOf(fold)), totalsFromRows(await store.rows(ROLLUP_TOTALS))),
    ...compareStates(sent, await store.rows(STATES)),
    ...(await store.rows(LABELS_THAT_DIFFER)).map((key) => `rollup: ${key.join(' ')} is not the sum of raw and corrections`),
    ...compareRejected(fold, await store.rows(REJECTED_EVENTS), logs),
    ...findLost(fold, acknowledged),
    ...fold.notForwarded.map(
      ({ partition, offset }) => `forwarded: there is no copy of the event at ${partition}@${offset}, which is not the partition of its project`,
    ),
  ]
}

/** Reads raw without FINAL: even a duplicate row that a later merge would remove is a difference. */
function compareEvents({ projects }: Fold, rows: readonly string[][], logs: string): string[] {
  const differences: string[] = []
  const seen = new Map<CountedEvent, number>()
  for (const [project = '', id = '', metric = '', value = '', timestampMs = '', log = '', offset = '', ...rest] of rows) {
    const event = projects.get(project)?.events.get(id)
    const actual = `${metric} ${decimalOf(billionths(value))} at ${timestampMs} from ${log} @ ${offset} ${rest.join(' ')}`
    if (event === undefined) {
      differences.push(`raw: ${project} ${id} (${actual}) must not be counted`)
      continue
    }
    seen.set(event, (seen.get(event) ?? 0) + 1)
    const more = [event.labels, event.text, event.batch].join(' ')
    const expected = `${event.metric} ${decimalOf(event.quantity)} at ${event.timestampMs} from ${logs}/${event.partition} @ ${event.offset} ${more}`
    if (actual !== expected) differences.push(`raw: ${project} ${id} is ${actual} instead of ${expected}`)
  }
  for (const { events } of projects.values()) {
    for (const event of events.values()) {
      const times = seen.get(event) ?? 0
      if (times !== 1) differences.push(`raw: ${event.projectId} ${event.eventId} of ${event.partition}@${event.offset} is stored ${times} times`)
    }
  }
  return differences
}

/** Without FINAL: a correction that is stored twice has added its difference twice. */
function compareCorrections({ projects }: Fold, rows: readonly string[][], logs: string): string[] {
  const textOf = (each: StoredCorrection, batch: string) => {
    const [action, value] = each.quantity === undefined ? ['void', 0n] : ['amend', each.quantity]
    return [each.projectId, each.eventId, each.corrects, action, decimalOf(value), `${logs}/${each.partition}`, each.offset, each.revision, batch].join(' ')
  }
  const windowText = ({ projectId, eventId, action, partition, offset, number, batch }: CountedWindow) =>
    [projectId, eventId, '', action, '0', `${logs}/${partition}`, offset, number, batch].join(' ')
  const expected = [...projects.values()].flatMap(({ corrections, windows }) => [
    ...[...corrections.values()].map((each) => textOf(each, '')),
    ...[...windows.values()].flatMap((window) => [windowText(window), ...window.changes.map((each) => textOf(each, window.batch))]),
  ])
  const actual = rows.map(([project, id, corrects, action, value = '', ...rest]) =>
    [project, id, corrects, action, decimalOf(billionths(value)), ...rest].join(' '),
  )
  const missing = new Set(expected)
  const differences = actual.filter((each) => !missing.delete(each)).map((each) => `corrections: ${each} must not be stored, or not twice`)
  return [...differences, ...[...missing].map((each) => `corrections: ${each} is not stored`)]
}

function compareTotals(what: string, expected: Totals, actual: Totals): string[] {
  const differences: string[] = []
  const keys = new Set([...keysOf(expected), ...keysOf(actual)])
  for (const key of keys) {
    const [project = '', day = '', metric = ''] = JSON.parse(key) as string[]
    const [expectedTotal, actualTotal] = [expected, actual].map((totals) => totals.get(project)?.get(day)?.get(metric))
    const [is, right] = [describeTotal(actualTotal), describeTotal(expectedTotal)]
    if (is !== right) differences.push(`${what}: ${project} ${day} ${metric} is ${is} instead of ${right}`)
  }
  return differences
}

export function keysOf(totals: Totals): string[] {
  return [...totals].flatMap(([project, days]) =>
    [...days].flatMap(([day, metrics]) => [...metrics.keys()].map((metric) => JSON.stringify([project, day, metric]))),
  )
}

function describeTotal(total: Total | undefined): string {
  return total === undefined ? 'nothing' : `${decimalOf(total.sum)} (highest ${decimalOf(total.peak)}, ${total.events} events, ${total.counted} count)`
}

function compareRejected({ rejected }: Fold, rows: readonly string[][], logs: string): string[] {
  const differences: string[] = []
  const stored = new Map<string, string>()
  for (const [log = '', offset = '', reason = ''] of rows) stored.set(`${log} @ ${offset}`, reason)
  for (const [partition, reasons] of rejected) {
    for (const [offset, reason] of reasons) {
      const place = `${logs}/${partition} @ ${offset}`
      const actual = stored.get(place)
      if (actual !== reason) differences.push(`rejected: ${place} is ${actual ?? 'not stored'} instead of ${reason}`)
      stored.delete(place)
    }
  }
  for (const [place, reason] of stored) differences.push(`rejected: ${place} is stored with reason ${reason} but should not be`)
  return differences
}

/** Finds acknowledged events, and closings of batches, that are not stored. The fold cannot find them: the topic itself could have lost them. */
function findLost({ projects }: Fold, acknowledged: Acknowledged): string[] {
  return [...acknowledged.events].flatMap(([project, events]) => {
    const { events: counted, windows } = projects.get(project) ?? {}
    return [...events].flatMap(([id, emitter]) =>
      counted?.has(id) === true || windows?.has(id) === true ? [] : [`lost: ${project} ${id}, acknowledged to ${emitter}`],
    )
  })
}
