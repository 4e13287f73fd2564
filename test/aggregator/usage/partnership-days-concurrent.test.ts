import { afterAll, beforeAll, expect, test } from 'vitest'
import { type PartnershipDay, readPartnershipDays } from '../../../aggregator/usage/partnership-days.ts'
import { refreshPartnershipDays } from '../../../aggregator/usage/refresh-partnership-days.ts'
import { addDecimals, compareDecimals } from '../../../metering/exact-decimal.ts'
import type { TestEvent } from '../../support/clients/client.ts'
import { plainPartnershipDays, sortDays } from '../../support/oracles/plain-partnership-days.ts'
import { Random } from '../../support/random.ts'
import { ALL_DAYS } from '../../support/worlds/days-world.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

const SEED = Number(process.env['RANDOM_SEED'] ?? Date.now() % 1_000_000)
const EMITTERS = 4
const POSTS = 12
const ROUNDS = 2
const DAYS = ['2025-11-30', '2026-01-01', '2026-01-02', '2026-02-01']

let tested: TestService
beforeAll(async () => {
  tested = await startTestService()
  await tested.client.createIngestKey()
})
afterAll(() => tested.stop())

/** The sums of one partner's cumulative metric by day, of the events that were acknowledged or sent. */
class Sums {
  readonly #days = new Map<string, string>()

  add(events: readonly TestEvent[]): void {
    for (const { timestamp, value } of events) {
      const day = timestamp.slice(0, 10)
      this.#days.set(day, addDecimals(this.#days.get(day) ?? '0', String(value)))
    }
  }

  of(day: string): string {
    return this.#days.get(day) ?? '0'
  }

  copy(): Sums {
    const copied = new Sums()
    for (const [day, sum] of this.#days) copied.#days.set(day, sum)
    return copied
  }
}

/**
 * Emitters send, projects are registered late, the service refreshes and a second refresh never pauses, while a reader queries all the
 * time. Every result must be at least what was acknowledged before the query, and at most what was sent when it returned.
 */
test(`P3: under concurrent ingestion no usage is less than what was acknowledged or more than what was sent (seed ${SEED})`, async () => {
  const { client, service } = tested
  const { clickhouse } = service
  const random = new Random(SEED)
  const { partnerId } = await client.createPartner('Busy')
  const acknowledged = new Sums()
  const sent = new Sums()
  let events = 0
  let reads = 0

  const emit = async (round: number, emitter: number) => {
    const project = `r${round}-e${emitter}`
    const early: TestEvent[] = []
    for (let post = 0; post < POSTS; post += 1) {
      const batch = Array.from({ length: 1 + random.below(4) }, () => {
        events += 1
        return {
          event_id: `e${events}`,
          project_id: project,
          metric: 'ai_tokens',
          value: String(1 + random.below(9)),
          timestamp: `${random.pick(DAYS)}T12:00:00Z`,
        }
      })
      sent.add(batch)
      expect((await client.send(batch)).status).toBe(200)
      // Events from before the registration of their project belong to the partner once the registration is acknowledged.
      if (post < POSTS / 2) early.push(...batch)
      else acknowledged.add(batch)
      if (post + 1 !== POSTS / 2) continue
      expect((await client.registerProject(project, partnerId)).status).toBe(201)
      acknowledged.add(early)
    }
  }

  for (let round = 0; round < ROUNDS; round += 1) {
    let emitting = true
    const lane = await clickhouse.openLane()
    const refreshing = (async () => {
      while (emitting) await refreshPartnershipDays(clickhouse, lane)
    })()
    const reading = (async () => {
      while (emitting) {
        const least = acknowledged.copy()
        const days = await readPartnershipDays(clickhouse, partnerId, ALL_DAYS)
        reads += 1
        for (const day of DAYS) {
          const value = totalOf(days, day)
          if (compareDecimals(value, least.of(day)) < 0) throw new Error(`${day}: ${value} is less than ${least.of(day)}, which was acknowledged.`)
          if (compareDecimals(value, sent.of(day)) > 0) throw new Error(`${day}: ${value} is more than ${sent.of(day)}, which was sent.`)
        }
      }
    })()
    await Promise.all(Array.from({ length: EMITTERS }, (_, emitter) => emit(round, emitter)))
    emitting = false
    await Promise.all([refreshing, reading])
    // Nothing is in flight now. Before and after a last refresh, the days equal the plain computation and the sum of what was sent.
    for (const when of ['before', 'after']) {
      if (when === 'after') await refreshPartnershipDays(clickhouse, lane)
      const days = sortDays(await readPartnershipDays(clickhouse, partnerId, ALL_DAYS))
      expect(days).toEqual(await plainPartnershipDays(clickhouse, partnerId))
      expect(days.map(({ day, value }) => [day, value])).toEqual(DAYS.map((day) => [day, sent.of(day)]))
    }
  }
  expect(reads).toBeGreaterThan(20)
})

function totalOf(days: readonly PartnershipDay[], day: string): string {
  return days.find((each) => each.day === day)?.value ?? '0'
}
