import { afterAll, beforeAll, expect, test } from 'vitest'
import { audit } from '../../../aggregator/audits/audit.ts'
import { readProjectUsage } from '../../../aggregator/usage/project-usage.ts'
import { type HttpLog, openHttpLog } from '../../../ingest/http/http-log.ts'
import { rebuildRollup } from '../../../ingest/repair/rebuild-rollup.ts'
import { windowRecordOf, windowRecordText } from '../../../metering/window-record.ts'
import { openTestStore, type TestStore } from '../../support/engines/embedded-store.ts'
import { Random } from '../../support/random.ts'
import { submissionOf } from '../../support/worlds/submission.ts'

const PROJECT = 'random-windows'
const DAYS = ['2026-01-10', '2026-01-11', '2026-01-12']
const METRICS = ['ai_tokens', 'database_size_bytes'] as const
const quiet = { info: () => {}, warn: () => {}, error: () => {} }

let store: TestStore
let log: HttpLog
beforeAll(async () => {
  store = await openTestStore()
  log = await openHttpLog({ clickhouse: store.clickhouse, logger: quiet, onLost: () => {} })
})
afterAll(async () => {
  await log.stop()
  await store.close()
})

interface Event {
  readonly id: string
  readonly metric: (typeof METRICS)[number]
  readonly day: string
  readonly sent: number
  readonly batch: string | undefined
  /** Undefined if it does not count. */
  now: number | undefined
}

interface Batch {
  readonly id: string
  readonly metric: (typeof METRICS)[number]
  readonly from: string
  readonly to: string
  state: 'open' | 'closed' | 'reverted'
  closedAs: number
  before: Map<Event, number | undefined>
}

/** What records mean, in a plain way, in their order. It shares nothing with the code that it checks. */
class Oracle {
  readonly events: Event[] = []
  readonly batches: Batch[] = []
  #closings = 0

  send(event: Event): void {
    if (event.batch !== undefined && this.#batch(event.batch).state !== 'open') return
    this.events.push(event)
  }

  correct(id: string, value: number | undefined): void {
    const event = this.events.find((each) => each.id === id)
    if (event === undefined || (event.batch !== undefined && !this.#batch(event.batch).before.has(event))) return
    event.now = value
  }

  close(id: string): void {
    const batch = this.#batch(id)
    if (batch.state !== 'open') return
    this.#closings += 1
    const { metric, from, to } = batch
    for (const event of this.events.filter((each) => each.metric === metric && each.day >= from && each.day <= to)) {
      if (event.now === undefined && event.batch !== id) continue
      batch.before.set(event, event.now)
      event.now = event.batch === id ? event.sent : undefined
    }
    batch.state = 'closed'
    batch.closedAs = this.#closings
  }

  revert(id: string): void {
    const batch = this.#batch(id)
    const isLater = (each: Batch) => each.state === 'closed' && each.closedAs > batch.closedAs && each.metric === batch.metric
    const overlaps = (each: Batch) => each.from <= batch.to && each.to >= batch.from
    if (batch.state !== 'closed' || this.batches.some((each) => isLater(each) && overlaps(each))) return
    for (const [event, before] of batch.before) event.now = before
    batch.state = 'reverted'
  }

  valuesOf(metric: string): Record<string, string> {
    const values = DAYS.flatMap((day): [string, number][] => {
      const now = this.events.flatMap((each) => (each.metric === metric && each.day === day && each.now !== undefined ? [each.now] : []))
      return now.length === 0 ? [] : [[day, metric === 'ai_tokens' ? now.reduce((one, other) => one + other, 0) : Math.max(...now)]]
    })
    return Object.fromEntries(values.map(([day, value]) => [day, String(value)]))
  }

  #batch(id: string): Batch {
    const found = this.batches.find((each) => each.id === id)
    if (found === undefined) throw new Error(`There is no batch ${id}.`)
    return found
  }
}

test('P2 P3: random events, corrections, batches, closings and reverts, in requests of any size, count what a plain fold of them counts', async () => {
  const seed = Number(process.env['RANDOM_SEED'] ?? Date.now() % 1_000_000)
  const random = new Random(seed)
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random.next() * list.length)] as T
  const oracle = new Oracle()
  const step = (number: number): object => {
    const kind = random.next()
    if (kind < 0.1 || oracle.batches.length === 0) {
      const [from, to] = [pick(DAYS), pick(DAYS)].sort() as [string, string]
      oracle.batches.push({ id: `b${number}`, metric: pick(METRICS), from, to, state: 'open', closedAs: 0, before: new Map() })
    }
    const batch = pick(oracle.batches)
    if (kind < 0.65 || oracle.events.length === 0) {
      const held = random.next() < 0.5
      const [metric, day] =
        held && random.next() < 0.9 ? [batch.metric, pick(DAYS.filter((each) => each >= batch.from && each <= batch.to))] : [pick(METRICS), pick(DAYS)]
      const sent = 1 + Math.floor(random.next() * 1_000)
      oracle.send({ id: `e${number}`, metric, day, sent, batch: held ? batch.id : undefined, now: held ? undefined : sent })
      const event = { event_id: `e${number}`, project_id: PROJECT, metric, value: String(sent), timestamp: `${day}T08:00:00Z` }
      return held ? { ...event, correction_batch: batch.id } : event
    }
    if (kind < 0.85) {
      const { id } = pick(oracle.events)
      const value = random.next() < 0.5 ? undefined : 1 + Math.floor(random.next() * 1_000)
      oracle.correct(id, value)
      const action = value === undefined ? { action: 'void' } : { action: 'amend', value: String(value) }
      return { event_id: `c${number}`, project_id: PROJECT, corrects: id, ...action, reason: 'test' }
    }
    const action = kind < 0.94 ? 'close' : 'revert'
    oracle[action](batch.id)
    return JSON.parse(windowRecordText(windowRecordOf(batch.id, action, { projectId: PROJECT, ...batch }, 'test')))
  }
  const readUsage = async () => {
    const { days } = await readProjectUsage(store.clickhouse, PROJECT, { first: '2026-01-01', last: '2026-01-31', end: '2026-02-01' })
    return METRICS.map((metric) => Object.fromEntries(days.flatMap(({ day, usage }) => (usage[metric] === '0' ? [] : [[day, usage[metric]]]))))
  }
  for (let number = 0; number < STEPS; ) {
    const requests = Array.from({ length: 1 + Math.floor(random.next() * 4) }, () =>
      Array.from({ length: 1 + Math.floor(random.next() * 4) }, () => {
        number += 1
        return step(number)
      }),
    )
    // Sent at the same time, they share batches of the log, in this order.
    await Promise.all(requests.map((events) => log.submit(submissionOf(events))))
    expect(await readUsage(), `RANDOM_SEED=${seed}, step ${number}`).toEqual(METRICS.map((metric) => oracle.valuesOf(metric)))
  }
  expect(oracle.batches.some(({ state }) => state === 'closed')).toBe(true)
  const scope = { from: '2026-01-01', end: '2026-02-01', projectId: PROJECT }
  expect((await audit(store.clickhouse, scope, log.runBetweenBatches)).differences, `RANDOM_SEED=${seed}`).toEqual([])
  await rebuildRollup(store.clickhouse, '2026-01', { runBetweenBatches: log.runBetweenBatches, note: async () => {} })
  expect(await readUsage()).toEqual(METRICS.map((metric) => oracle.valuesOf(metric)))
})

const STEPS = Number(process.env['WINDOW_STEPS'] ?? 250)
