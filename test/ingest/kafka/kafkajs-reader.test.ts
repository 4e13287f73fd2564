import { EventEmitter } from 'node:events'
import type { Consumer } from 'kafkajs'
import { afterEach, describe, expect, test } from 'vitest'
import { KafkajsReader } from '../../../ingest/kafka/kafkajs-reader.ts'
import { untilSo } from '../../support/until-so.ts'

const quiet = { info: () => {}, warn: () => {}, error: () => {} }
/** A session ends after 60 ms of silence; a member is replaced only after a minute. */
const LIMITS = { sessionTimeoutMs: 60, rebalanceTimeoutMs: 60_000, heartbeatEveryMs: 10 }

/** Replaces the consumer of kafkajs: the test decides when this member of the group hears from it. */
class Member extends EventEmitter {
  readonly events = { HEARTBEAT: 'heartbeat', GROUP_JOIN: 'join', CRASH: 'crash', START_BATCH_PROCESS: 'batch' }
  connect = async () => {}
  subscribe = async () => {}
  run = async () => {}
  disconnect = async () => {}
  join(partitions: number[]) {
    this.emit('join', { payload: { memberAssignment: { t: partitions } } })
  }
}

let reader: KafkajsReader
afterEach(() => reader.stop())

function open() {
  const member = new Member()
  const state = { assigned: undefined as readonly number[] | undefined, trouble: undefined as string | undefined }
  reader = new KafkajsReader({
    consumer: () => member as unknown as Consumer,
    topic: 't',
    handlers: {
      onAssigned: (partitions) => {
        state.assigned = partitions
      },
      onBatch: async () => {},
      onReadError: (error) => {
        state.trouble = error?.message
      },
    },
    logger: quiet,
    limits: LIMITS,
  })
  return { member, state }
}

const SILENCE = /The group coordinator has not answered for \d+ ms/

describe('P1: a member that has not heard from the group for a session', () => {
  test('a member that is silent before its first join reports trouble until it joins', async () => {
    const { member, state } = open()
    await untilSo(async () => state.assigned !== undefined)
    expect(state).toEqual({ assigned: [], trouble: expect.stringMatching(SILENCE) })
    member.join([0, 1])
    expect(state).toEqual({ assigned: [0, 1], trouble: undefined })
  })

  test('a joined member that becomes silent gives up its partitions and reports trouble until it joins again', async () => {
    const { member, state } = open()
    member.join([0, 1])
    expect(state).toEqual({ assigned: [0, 1], trouble: undefined })
    await untilSo(async () => state.assigned?.length === 0)
    expect(state.trouble).toMatch(SILENCE)
    member.join([1])
    expect(state).toEqual({ assigned: [1], trouble: undefined })
  })

  test('a silent member whose heartbeats are answered again gets back the partitions it had', async () => {
    const { member, state } = open()
    member.join([2])
    await untilSo(async () => state.trouble !== undefined)
    member.emit('heartbeat', { payload: {} })
    expect(state).toEqual({ assigned: [2], trouble: undefined })
  })
})
