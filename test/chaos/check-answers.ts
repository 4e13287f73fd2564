import type { Credentials } from '../support/clients/client.ts'
import { MeterlineClient } from '../support/clients/client.ts'
import type { Random } from '../support/random.ts'
import type { Acknowledged } from './acknowledged.ts'
import { afterMs } from './clock.ts'
import { WATCHED_DAY, WATCHED_METRIC, WATCHED_PROJECTS } from './generate-records.ts'
import type { System } from './system.ts'

export interface CheckAnswersOptions {
  readonly system: System
  /** The partner of the watched projects. */
  readonly partner: Credentials
  readonly acknowledged: Acknowledged
  readonly random: Random
}

/**
 * Requests usage during the whole run and checks each answer: if it claims to be complete up to a time (as_of), it must contain
 * every event that was acknowledged by then. The watched projects have events of value 1 only, so that a total is a count.
 */
export class AnswerChecks {
  /** A description of each answer that claims too much. */
  readonly violations: string[] = []
  checked = 0
  #asOf = ''
  /** How often a later time was published. */
  advances = 0
  readonly #options: CheckAnswersOptions

  constructor(options: CheckAnswersOptions) {
    this.#options = options
  }

  async run(ending: () => boolean): Promise<void> {
    const { system, random } = this.#options
    while (!ending()) {
      const urls = system.apis.flatMap(({ url }) => url ?? [])
      // An answer that does not come claims nothing.
      if (urls.length > 0) await this.#check(new MeterlineClient(random.pick(urls), system.adminToken)).catch(() => {})
      await afterMs(EVERY_MS)
    }
  }

  async #check(client: MeterlineClient): Promise<void> {
    const { partner, random } = this.#options
    const project = random.pick(WATCHED_PROJECTS)
    const [whole, one] = await Promise.all([
      client.partnershipUsage(partner, WATCHED_DAY, WATCHED_DAY),
      client.projectUsage(partner, project, WATCHED_DAY, WATCHED_DAY),
    ])
    if (whole.status === 200) this.#require(whole.body.as_of, Number(whole.body.summary[WATCHED_METRIC]), undefined)
    if (one.status === 200) this.#require(one.body.as_of, Number(one.body.summary[`total_${WATCHED_METRIC}`]), project)
  }

  #require(asOf: string | null, counted: number, project: string | undefined): void {
    if (asOf === null) return
    this.checked += 1
    if (asOf > this.#asOf) {
      this.#asOf = asOf
      this.advances += 1
    }
    const acknowledged = this.#options.acknowledged.watchedUntil(Date.parse(asOf), project)
    if (counted >= acknowledged) return
    const what = project ?? 'the partnership'
    this.violations.push(
      `as_of: ${what} has ${counted} events in an answer of ${new Date().toISOString()} that is complete up to ${asOf}, when ${acknowledged} were acknowledged`,
    )
  }
}

const EVERY_MS = 250
