import { randomUUID } from 'node:crypto'
import type { AnswerOf } from '../contract/operation.ts'
import { CLOSE_MONTH, GET_OWN_STATEMENT } from '../contract/statements.ts'
import { CREATE_OWN_THRESHOLD } from '../contract/thresholds.ts'
import { counted } from '../metering/counted.ts'
import { grouped } from '../metering/grouped.ts'
import { monthOf } from '../metering/month.ts'
import { dayOf, MS_PER_DAY } from '../metering/timestamp.ts'
import type { DemoClient } from './demo-client.ts'
import { Emitter } from './emit.ts'
import type { DemoSetup } from './set-up.ts'

const LATE_TOKENS = 1234
const HASH_CHARACTERS_SHOWN = 16

/**
 * Closes last month and sends an event of it afterwards, as a platform with a long outage does. The partner makes last month's tokens its
 * budget for this one. Returns lines on it, with numbers from the API.
 */
export async function closeLastMonth(client: DemoClient, setup: DemoSetup, { firstDayMs, nowMs }: { firstDayMs: number; nowMs: number }): Promise<string[]> {
  const { partner } = setup
  const [month, thisMonth] = [monthOf(dayOf(firstDayMs)), monthOf(dayOf(nowMs))]
  const { statement, totals, projects } = await client.asOperator(CLOSE_MONTH, { params: { partnerId: partner.partnerId, month } })
  await emitLate(client, setup, firstDayMs)
  const open = await client.asPartner(partner, GET_OWN_STATEMENT, { params: { partnerId: partner.partnerId, month: thisMonth } })
  const tokens = tokensOf(totals)
  await client.asPartner(partner, CREATE_OWN_THRESHOLD, {
    params: { partnerId: partner.partnerId },
    body: { metric: 'ai_tokens', per: 'month', budget: tokens, levels: LEVELS },
  })
  const adjustments = open.adjustments.map(({ for_month, metric, value }) => `${for_month} ${metric} +${grouped(value.text)}`)
  return [
    `Statement of ${month}: closed, ${counted(projects.length, 'project line')}, sha256 ${(statement.sha256 ?? '').slice(0, HASH_CHARACTERS_SHOWN)}…`,
    `  an event arrived after that: the statement of ${thisMonth} has the adjustment ${adjustments.join(', ')}`,
    `  budget of the partner for ${thisMonth}: ${grouped(tokens)} ai_tokens, as many as in ${month}`,
    '',
  ]
}

const LEVELS = [
  { name: 'warning', percent_of_budget: 80 },
  { name: 'budget used', percent_of_budget: 100 },
]

function tokensOf(totals: AnswerOf<typeof CLOSE_MONTH>['totals']): string {
  const found = totals.find(({ metric }) => metric === 'ai_tokens')
  if (found === undefined) throw new Error('The statement has no total of ai_tokens.')
  return found.value.text
}

async function emitLate({ url, signal }: DemoClient, { ingestKey, projects }: DemoSetup, firstDayMs: number): Promise<void> {
  const [project] = projects
  if (project === undefined) throw new Error('The demo has no project.')
  const emitter = new Emitter({ url, signal, ingestKey, onProgress: () => {} })
  const timestamp = new Date(firstDayMs + MS_PER_DAY / 2).toISOString()
  await emitter.emit([{ event_id: `late-${randomUUID()}`, project_id: project.id, metric: 'ai_tokens', value: LATE_TOKENS, timestamp }])
  await emitter.flush()
}
