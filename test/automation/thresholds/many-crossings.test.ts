import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { refreshPartnershipDays } from '../../../aggregator/usage/refresh-partnership-days.ts'
import { createThreshold } from '../../../automation/thresholds/change-thresholds.ts'
import { ThresholdEvaluator } from '../../../automation/thresholds/evaluate-thresholds.ts'
import { MESSAGES_PER_INSERT_MAX, MessageQueue } from '../../../automation/webhooks/message-queue.ts'
import { SERVICE } from '../../../registry/audit-log.ts'
import { defineQuery } from '../../../sql/query.ts'
import { DaysWorld } from '../../support/worlds/days-world.ts'

const LEVELS = 10
const THRESHOLDS = MESSAGES_PER_INSERT_MAX / LEVELS + 1
const NOW_MS = Date.UTC(2026, 1, 15, 12)
const MS_MAX = 120_000

let world: DaysWorld
beforeAll(async () => {
  world = await DaysWorld.open()
})
afterAll(() => world.close())

test('more crossings than one insert holds are all stored by one evaluation, also of a partner that is not billed yet', { timeout: MS_MAX }, async () => {
  // Its first billed month is that of its creation, which is later than the usage.
  const partnerId = await world.partner('Acme')
  await world.register('shop', partnerId)
  const registry = { ...world.registry, now: () => Date.UTC(2026, 1, 1) }
  const levels = Array.from({ length: LEVELS }, (_, index) => ({ name: `level ${index}`, value: String(index + 1) }))
  const setBys = ['', partnerId]
  for (let index = 0; index < THRESHOLDS; index += 1) {
    const about = {
      setBy: setBys[index % 2] ?? '',
      partnerId,
      projectId: index % 3 === 0 ? 'shop' : '',
      metric: 'ai_tokens',
      kind: 'cumulative',
      unit: 'token',
    } as const
    const { status } = await createThreshold(registry, SERVICE, { ...about, levels, budget: null, isActive: true })
    expect(status).toBe('created')
  }
  await world.post(['shop', 'ai_tokens', '2026-02-10', '10'])
  await refreshPartnershipDays(world.clickhouse)
  const { clickhouse } = world
  const evaluator = new ThresholdEvaluator({ clickhouse, queue: new MessageQueue(clickhouse), publicUrl: 'https://example.com', now: () => NOW_MS })
  expect(await evaluator.run()).toEqual({ status: 'evaluated', transitions: THRESHOLDS * LEVELS })
  expect(await evaluator.run()).toEqual({ status: 'unchanged' })
  const stored = await clickhouse.control.query(storedMessages, {})
  expect(stored.reduce((sum, { messages }) => sum + messages, 0)).toBe(THRESHOLDS * LEVELS)
  expect(stored.map(({ dashboard }) => dashboard)).toEqual([
    'https://example.com/#/partners/PARTNER/projects/shop?month=2026-02',
    'https://example.com/#/partners/PARTNER/usage?month=2026-02',
    'https://example.com/#/projects/shop?month=2026-02',
    'https://example.com/#/usage?month=2026-02',
  ])
})

const storedMessages = defineQuery({
  name: 'test_messages_by_page',
  sql: `SELECT replaceOne(JSONExtractString(body, 'data', 'dashboard'), partner_id, 'PARTNER') AS dashboard, toUInt32(count()) AS messages
        FROM webhook_messages_v1 GROUP BY dashboard ORDER BY dashboard`,
  params: z.object({}),
  row: z.object({ dashboard: z.string(), messages: z.number() }),
})
