import { type Answer, type Credentials, MeterlineClient } from '../support/clients/client.ts'
import type { Random } from '../support/random.ts'
import { afterMs, waitForAll } from './clock.ts'
import type { System } from './system.ts'

/** The months of which events arrive during the run. */
const MONTHS = ['2025-12', '2026-01', '2026-02', '2026-03', '2026-04', '2026-05'] as const
/** It has no usage: its statement bills what arrived after the others were closed. */
const LAST_MONTH = '2026-06'

export interface MonthClosingsOptions {
  readonly system: System
  readonly partner: Credentials
  readonly random: Random
  /** How long the plan takes at least. */
  readonly planMs: number
}

/** Closes the months of a partner one after another during the run, while their events still arrive and are corrected. */
export class MonthClosings {
  /** month → the answer to its closing. */
  readonly closed = new Map<string, Answer>()
  /** A description of each answer that a closing must not have. */
  readonly violations: string[] = []
  /** How often a closing was not possible at that moment, by its code. */
  readonly postponed = new Map<string, number>()
  closedDuringRun = 0
  readonly #options: MonthClosingsOptions

  constructor(options: MonthClosingsOptions) {
    this.#options = options
  }

  /** Before the first event: its months begin with the first one. */
  async billAll(client: MeterlineClient): Promise<void> {
    await client.billFrom(this.#options.partner.partnerId, MONTHS[0])
  }

  async run(ending: () => boolean): Promise<void> {
    for (const month of MONTHS) {
      const dueMs = Date.now() + this.#options.planMs / MONTHS.length
      while (Date.now() < dueMs || !(await this.#close(month))) {
        if (ending()) return
        await afterMs(TRY_EVERY_MS)
      }
      this.closedDuringRun += 1
    }
  }

  /** Closes the other months too, and then each once more: it must be what it was. */
  async end(): Promise<void> {
    for (const month of [...MONTHS, LAST_MONTH])
      await waitForAll({
        what: `the closing of ${month}`,
        secondsMax: CLOSED_SECONDS_MAX,
        findMissing: async () => ((await this.#close(month)) ? undefined : [...this.postponed].join(', ')),
      })
  }

  /** Returns whether the month is closed. An answer that does not come says nothing. */
  async #close(month: string): Promise<boolean> {
    const { system, partner, random } = this.#options
    const urls = system.apis.flatMap(({ url }) => url ?? [])
    if (urls.length === 0) return false
    const answer = await new MeterlineClient(random.pick(urls), system.adminToken).closeMonth(partner.partnerId, month).catch(() => undefined)
    if (answer === undefined) return false
    if (answer.status === 200) return this.#keep(month, answer)
    const code = String(answer.body?.code)
    this.postponed.set(code, (this.postponed.get(code) ?? 0) + 1)
    if (answer.status !== 503 && !MAY_ANSWER.includes(code))
      this.violations.push(`closings: ${month} is answered ${answer.status}: ${answer.text.slice(0, 300)}`)
    return false
  }

  #keep(month: string, answer: Answer): true {
    const before = this.closed.get(month)
    if (before === undefined) this.closed.set(month, answer)
    else if (before.text !== answer.text) this.violations.push(`closings: ${month} has changed from ${before.text} to ${answer.text}`)
    return true
  }
}

const TRY_EVERY_MS = 2_000
const CLOSED_SECONDS_MAX = 180
/** While events are written, or their log has no owner, a month may not be complete, and differ from the rollup. */
const MAY_ANSWER = ['MONTH_NOT_COMPLETE', 'CLOSING_ELSEWHERE', 'AUDIT_DIFFERS']
