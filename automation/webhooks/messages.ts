import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { WebhookEvent } from '../../contract/webhook-events.ts'
import { formatTimestamp } from '../../metering/timestamp.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { row } from '../../sql/tab-separated.ts'
import { textArray } from './endpoints.ts'

/** Something to announce, once. */
export interface Message {
  readonly id: string
  readonly type: WebhookEvent
  /** Empty when it is about no partner. */
  readonly partnerId: string
  readonly endpointIds: readonly string[]
  /** JSON, as it is sent. */
  readonly body: string
  readonly createdMs: number
  /** The new state of a level of a threshold, which is stored with the message; undefined for other messages. */
  readonly transition?: Transition | undefined
}

export interface Transition {
  readonly thresholdId: string
  readonly level: string
  readonly month: string
  /** From 1 on, for each level and month. */
  readonly number: number
  readonly state: 'alarm' | 'ok'
}

/** The same for the same parts, in every process and after every restart. Sent as webhook-id. */
export function messageId(parts: readonly (string | number)[]): string {
  return `msg_${createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, ID_CHARACTERS)}`
}

/** As Standard Webhooks recommends: the type, when it was noticed, and the data. */
export function messageBody(type: string, createdMs: number, data: object): string {
  return JSON.stringify({ type, timestamp: formatTimestamp(createdMs), data })
}

const ID_CHARACTERS = 32

export const MESSAGE_COLUMNS = [
  ...['log', 'epoch', 'owner', 'message_id', 'type', 'partner_id', 'endpoint_ids', 'body', 'created_ms', 'subject', 'part', 'month', 'number', 'state'],
]

export function messageRow(owner: readonly (string | number)[], { id, type, partnerId, endpointIds, body, createdMs, transition }: Message): string {
  const { thresholdId = '', level = '', month = '', number = 0, state = '' } = transition ?? {}
  return row([...owner, id, type, partnerId, textArray(endpointIds), body, createdMs, thresholdId, level, month, number, state])
}

/** Those of the ids that are stored. Throws StoreError. */
export async function storedMessageIds({ work }: ClickHouse, ids: readonly string[]): Promise<Set<string>> {
  if (ids.length === 0) return new Set()
  return new Set((await work.query(storedIds, { ids: [...ids] })).map(({ id }) => id))
}

const storedIds = defineQuery({
  name: 'stored_message_ids',
  sql: 'SELECT DISTINCT message_id AS id FROM webhook_messages_v1 WHERE message_id IN {ids: Array(String)}',
  params: z.object({ ids: z.array(z.string()) }),
  row: z.object({ id: z.string() }),
})
