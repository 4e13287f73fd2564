import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { addDecimals } from '../../../metering/exact-decimal.ts'
import { periodOfMonth } from '../../../metering/month.ts'
import type { Answer, Credentials, TestEvent } from '../../support/clients/client.ts'
import { DEFINED_METRICS, defineTestedMetrics, isAmendable, kindOfTested, withValueOfKind } from '../../support/oracles/defined-metrics.ts'
import { Oracle } from '../../support/oracles/oracle.ts'
import { untilSo } from '../../support/until-so.ts'
import { ReplacedUsage, type Replacement, replacement } from '../../support/worlds/replaced-usage.ts'
import { toSend } from '../../support/worlds/store-corrections.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

const SEED = Number(process.env['RANDOM_SEED'] ?? Date.now() % 1_000_000)
const RUNS = Number(process.env['CLOSING_WORLDS'] ?? 2)
/** The first month is before the partner's first billed one. */
const MONTHS = ['2025-12', '2026-01', '2026-02', '2026-03', '2026-04']
const BILLED = MONTHS.slice(1)
const USED = ['database_size_bytes', 'file_storage_bytes', 'ai_tokens', 'ai_credits', ...DEFINED_METRICS.map(({ metric }) => metric)]

let tested: TestService
beforeAll(async () => {
  tested = await startTestService()
  await tested.client.createIngestKey()
  await defineTestedMetrics(tested.client)
  const partner = await tested.client.createPartner('Watermark')
  await untilSo(async () => (await tested.client.partnershipUsage(partner, '2026-03-01', '2026-03-31')).body.as_of !== null)
})
afterAll(() => tested.stop())

type Step =
  | { do: 'send'; events: TestEvent[] }
  | { do: 'correct'; picks: { pick: number; value: string | undefined }[] }
  | { do: 'replace'; replacement: Replacement }
  | { do: 'register'; project: string }
  | { do: 'close' }
  | { do: 'manual' }
  | { do: 'delete'; project: string }

const PROJECTS = ['a', 'b', 'c', 'd']

const event: fc.Arbitrary<TestEvent> = fc
  .record({
    event_id: fc.integer({ min: 0, max: 200 }).map(String),
    project_id: fc.constantFrom(...PROJECTS),
    metric: fc.constantFrom(...USED),
    value: fc.oneof(fc.integer({ min: 0, max: 50 }), fc.constant('12345678901234567890.000000001')),
    month: fc.constantFrom(...MONTHS),
    day: fc.integer({ min: 1, max: 6 }),
  })
  .map(({ month, day, ...rest }) => withValueOfKind({ ...rest, timestamp: `${month}-0${day}T12:00:00Z` }))

/** `pick` chooses one of the events that are counted by then. Without a value it is voided. */
const picks = fc.array(fc.record({ pick: fc.nat(), value: fc.option(fc.integer({ min: 0, max: 50 }).map(String), { nil: undefined }) }), {
  minLength: 1,
  maxLength: 5,
})

/** Of an open month, or of one that was closed. */
const replaced = replacement({
  projects: PROJECTS,
  metrics: USED,
  firstDay: fc.tuple(fc.constantFrom(...MONTHS), fc.integer({ min: 1, max: 6 })).map(([month, day]) => `${month}-0${day}`),
  value: fc.integer({ min: 0, max: 50 }),
})

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.array(event, { minLength: 1, maxLength: 15 }).map((events) => ({ do: 'send' as const, events })) },
  { weight: 2, arbitrary: picks.map((all) => ({ do: 'correct' as const, picks: all })) },
  { weight: 2, arbitrary: replaced.map((each) => ({ do: 'replace' as const, replacement: each })) },
  { weight: 2, arbitrary: fc.constantFrom(...PROJECTS).map((project) => ({ do: 'register' as const, project })) },
  { weight: 2, arbitrary: fc.constant({ do: 'close' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'manual' as const }) },
  { weight: 1, arbitrary: fc.constantFrom(...PROJECTS).map((project) => ({ do: 'delete' as const, project })) },
)

test(`P4: in random worlds with corrections and replaced days lines add up, closed bytes never change, and statements with their adjustments bill exactly all events (seed ${SEED})`, {
  timeout: 300_000,
}, async () => {
  let run = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 6, maxLength: 24 }), async (steps) => {
      run += 1
      await World.play(`w${run}`, steps)
    }),
    { seed: SEED, numRuns: RUNS },
  )
})

class World {
  readonly #partner: Credentials
  readonly #prefix: string
  readonly #oracle = new Oracle()
  readonly #registered = new Set<string>()
  readonly #closed = new Map<string, Answer>()
  readonly #replaced = new ReplacedUsage(tested.client, this.#oracle)
  #corrections = 0

  private constructor(prefix: string, partner: Credentials) {
    this.#prefix = prefix
    this.#partner = partner
  }

  static async play(prefix: string, steps: readonly Step[]): Promise<void> {
    const partner = await tested.client.createPartner(prefix)
    await tested.client.billFrom(partner.partnerId, BILLED[0] ?? '')
    const world = new World(prefix, partner)
    for (const each of steps) await world.#do(each)
    // All months, and one more that bills what arrived last.
    while (world.#closed.size < BILLED.length) await world.#close()
    await world.#closeMonth('2026-05')
    await world.#expectAllBilled()
    await world.#expectAllByteDays()
    for (const [month, answer] of world.#closed) expect((await tested.client.closeMonth(partner.partnerId, month)).text).toBe(answer.text)
  }

  async #do(each: Step): Promise<void> {
    const { client } = tested
    if (each.do === 'send') {
      const events = each.events.map((one) => ({ ...one, project_id: this.#id(one.project_id) }))
      expect((await client.send(events)).status).toBe(200)
      this.#oracle.add(events)
    } else if (each.do === 'correct') await this.#correct(each.picks)
    else if (each.do === 'replace') {
      const { window } = each.replacement
      await this.#replaced.apply({ ...each.replacement, window: { ...window, project_id: this.#id(window.project_id) } })
    } else if (each.do === 'register') await this.#register(each.project)
    else if (each.do === 'delete' && this.#registered.has(this.#id(each.project))) await client.partner(this.#partner, 'DELETE', `/${this.#id(each.project)}`)
    else if (each.do === 'close') await this.#close()
    else if (each.do === 'manual') {
      const line = { for_month: '2026-01', metric: 'ai_tokens', value: '-7', reason: 'random' }
      expect((await client.admin('POST', `/admin/v1/statements/${this.#partner.partnerId}/adjustments`, line)).status).toBe(201)
    }
  }

  /** As finance does, who may correct closed months too. */
  async #correct(picked: readonly { pick: number; value: string | undefined }[]): Promise<void> {
    // An event of an open batch cannot be corrected.
    const events = [...this.#oracle.counted.values()].filter(({ event_id }) => !event_id.startsWith('of-batch'))
    if (events.length === 0) return
    const corrections = picked.map(({ pick, value }) => {
      const { project_id, event_id, metric } = events[pick % events.length] as TestEvent
      return { project_id, corrects: event_id, ...(value === undefined || !isAmendable(metric) ? {} : { value }) }
    })
    for (const correction of corrections) this.#oracle.correct(correction)
    const sent = corrections.map((correction) => toSend(correction, `correction-${this.#corrections++}`))
    const { body } = await tested.client.admin('POST', '/admin/v1/corrections', { corrections: sent })
    expect(body).toEqual({ accepted: `${sent.length}`, duplicates: '0', rejected: [] })
  }

  async #register(project: string): Promise<void> {
    if (this.#registered.has(this.#id(project))) return
    expect((await tested.client.registerProject(this.#id(project), this.#partner.partnerId)).status).toBe(201)
    this.#registered.add(this.#id(project))
  }

  async #close(): Promise<void> {
    const month = BILLED[this.#closed.size]
    if (month !== undefined) await this.#closeMonth(month)
  }

  async #closeMonth(month: string): Promise<void> {
    const answer = await tested.client.closeMonth(this.#partner.partnerId, month)
    expect(answer.status, answer.text).toBe(200)
    this.#closed.set(month, answer)
    for (const { metric, value } of answer.body.totals)
      expect(sum(answer.body.projects.filter((line: Line) => line.metric === metric)), `${month} ${metric}`).toBe(value)
    await this.#expectAllBilled()
  }

  /** After every closing, for each closed month: usage by the oracle = its statement + its later adjustments. */
  async #expectAllBilled(): Promise<void> {
    const answers = [...this.#closed]
    for (const [month, { body }] of answers) {
      const { first, last } = periodOfMonth(month)
      for (const metric of USED) {
        // A statement has a defined metric only if the month had usage of it.
        const statement = body.totals.find((total: Line) => total.metric === metric)?.value ?? '0'
        const later = answers
          .flatMap(([, answer]) => answer.body.adjustments as Line[])
          .filter((line) => line.kind === 'adjustment' && line.for_month === month && line.metric === metric)
        expect(addDecimals(statement, sum(later)), `${month} ${metric} ${kindOfTested(metric)}`).toBe(
          this.#oracle.partnership([...this.#registered], first, last, metric),
        )
      }
    }
    const latest = answers.at(-1)?.[1]
    expect(latest?.body.adjustments.every((line: Line) => BILLED.includes(line.for_month ?? ''))).toBe(true)
  }

  /** At the end, for each closed month: byte-days by the oracle = those of its statement + their later corrections, whatever the peak did. */
  async #expectAllByteDays(): Promise<void> {
    const answers = new Map<string, Answer['body']>()
    for (const month of this.#closed.keys()) {
      const { body } = await tested.client.partner(this.#partner, 'GET', `/statements/${month}?include=byte_days`)
      answers.set(month, body)
      for (const { metric, value } of body.byte_days as Line[]) expect(sumOf(body.projects, metric), `${month} ${metric}`).toBe(value)
    }
    for (const month of this.#closed.keys()) {
      const { first, last } = periodOfMonth(month)
      for (const metric of USED.filter((name) => kindOfTested(name) === 'peak')) {
        const later = [...answers.values()].flatMap(({ adjustments }) => (adjustments as Line[]).filter(({ for_month }) => for_month === month))
        expect(addDecimals(sumOf(answers.get(month).projects, metric), sumOf(later, metric)), `byte-days ${month} ${metric}`).toBe(
          this.#oracle.byteDays([...this.#registered], first, last, metric).value,
        )
      }
    }
  }

  #id(project: string): string {
    return `${this.#prefix}-${project}`
  }
}

interface Line {
  readonly metric: string
  readonly value: string
  readonly kind?: string
  readonly for_month?: string
  readonly byte_days?: string | null
}

/** The byte-days of the lines of a metric. */
function sumOf(lines: readonly Line[], metric: string): string {
  return lines.filter((line) => line.metric === metric).reduce((total, { byte_days }) => addDecimals(total, byte_days ?? 'none'), '0')
}

function sum(lines: readonly Line[]): string {
  return lines.reduce((total, line) => addDecimals(total, line.value), '0')
}
