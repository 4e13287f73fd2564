import fc from 'fast-check'
import type { MeterlineClient, TestEvent } from '../clients/client.ts'
import { kindOfTested, withValueOfKind } from '../oracles/defined-metrics.ts'
import type { Oracle, ReplacedWindow } from '../oracles/oracle.ts'

/** A batch of a random world: it is opened, and perhaps closed; or one that was closed before is reverted, which `reverts` chooses. */
export interface Replacement {
  readonly window: ReplacedWindow
  readonly events: readonly { readonly value: TestEvent['value']; readonly day: number; readonly labels?: TestEvent['labels'] }[]
  readonly closes: boolean
  readonly reverts: number | undefined
}

/** Of windows from one of these days on. Neither `last` nor `unique` is replaced as a whole. */
export function replacement(of: {
  readonly projects: readonly string[]
  readonly metrics: readonly string[]
  readonly firstDay: fc.Arbitrary<string>
  readonly value: fc.Arbitrary<TestEvent['value']>
  readonly labels?: fc.Arbitrary<TestEvent['labels']>
}): fc.Arbitrary<Replacement> {
  const { labels = fc.constant(undefined) } = of
  return fc
    .record({
      project_id: fc.constantFrom(...of.projects),
      metric: fc.constantFrom(...of.metrics.filter((metric) => !['last', 'unique'].includes(kindOfTested(metric)))),
      from: of.firstDay,
      days: fc.nat(9),
      events: fc.array(fc.record({ value: of.value, day: fc.nat(), labels }), { maxLength: 6 }),
      closes: fc.integer({ min: 0, max: 4 }).map((each) => each > 0),
      reverts: fc.option(fc.nat(), { nil: undefined }),
    })
    .map(({ project_id, metric, from, days, ...rest }) => {
      const to = [...Array(days + 1).keys()].map((day) => dayAfter(from, day)).filter((day) => day.slice(0, 7) === from.slice(0, 7))
      return { ...rest, window: { project_id, metric, from, to: to.at(-1) ?? from } }
    })
}

/** Replaces usage as operators do, and in the oracle. */
export class ReplacedUsage {
  readonly #client: MeterlineClient
  readonly #oracle: Oracle
  readonly #closed: string[] = []
  #events = 0

  constructor(client: MeterlineClient, oracle: Oracle) {
    this.#client = client
    this.#oracle = oracle
  }

  /** Throws if an answer is not what it must be. */
  async apply({ window, events, closes, reverts }: Replacement): Promise<void> {
    const { batch } = await this.#post('', { ...window, reason: 'a random world' }, 201)
    const sent = events.map(({ value, day, labels }): TestEvent => {
      this.#events += 1
      const at = dayAfter(window.from, day % (1 + daysBetween(window.from, window.to)))
      const { project_id, metric } = window
      return withValueOfKind({ event_id: `of-batch-${this.#events}`, project_id, metric, value, timestamp: `${at}T12:00:00Z`, labels })
    })
    if (sent.length > 0) {
      const answer = await this.#post(`/${batch.id}/events`, sent, 200)
      if (answer.accepted !== String(sent.length)) throw new Error(JSON.stringify(answer))
    }
    this.#oracle.hold(sent)
    if (closes) {
      await this.#post(`/${batch.id}/close`, {}, 200)
      this.#oracle.closeBatch(batch.id, window, sent)
      this.#closed.push(batch.id)
    }
    if (reverts === undefined || this.#closed.length === 0) return
    const [id = ''] = this.#closed.slice(reverts % this.#closed.length)
    const isReverted = this.#oracle.revertBatch(id)
    await this.#post(`/${id}/revert`, {}, isReverted ? 200 : 409)
    if (isReverted) this.#closed.splice(this.#closed.indexOf(id), 1)
  }

  async #post(path: string, body: unknown, expected: number) {
    const answer = await this.#client.admin('POST', `/admin/v1/correction-batches${path}`, body)
    if (answer.status !== expected) throw new Error(`${path} answered ${answer.status} instead of ${expected}: ${answer.text}`)
    return answer.body
  }
}

const DAY_MS = 86_400_000

function dayAfter(day: string, days: number): string {
  return new Date(Date.parse(day) + days * DAY_MS).toISOString().slice(0, 10)
}

function daysBetween(from: string, to: string): number {
  return (Date.parse(to) - Date.parse(from)) / DAY_MS
}
