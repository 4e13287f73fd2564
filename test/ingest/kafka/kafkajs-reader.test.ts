import { EventEmitter } from 'node:events'
import type { Consumer } from 'kafkajs'
import { afterEach, describe, expect, test } from 'vitest'
import { openReader } from '../../../ingest/kafka/kafkajs-reader.ts'
import type { Reader } from '../../../ingest/kafka/topic.ts'
import { untilSo } from '../../support/until-so.ts'

const quiet = { info: () => {}, warn: () => {}, error: () => {} }
/** A session is over in 60 ms of silence; a member is given up only after a minute. */
const LIMITS = { sessionTimeoutMs: 60, rebalanceTimeoutMs: 60_000, heartbeatEveryMs: 10 }

/** In place of the library: a member of the group of which the test decides when it is heard of. */
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

let reader: Reader
afterEach(() => reader.stop())

async function open() {
  const member = new Member()
  const state = { assigned: undefined as readonly number[] | undefined, trouble: undefined as string | undefined }
  reader = await openReader({
    consumer: () => member as unknown as Consumer,
    topic: 't',
    reading: {
      onAssigned: (partitions) => {
        state.assigned = partitions
      },
      onBatch: async () => {},
      onTrouble: (error) => {
        state.trouble = error?.message
      },
    },
    logger: quiet,
    limits: LIMITS,
  })
  return { member, state }
}

const SILENT = /The group has not answered for \d+ ms/

describe('P1: a member that the group has not heard of for a session says so, and that it is ready only when it has joined again', () => {
  test('before its first join', async () => {
    const { member, state } = await open()
    await untilSo(async () => state.assigned !== undefined)
    expect(state).toEqual({ assigned: [], trouble: expect.stringMatching(SILENT) })
    member.join([0, 1])
    expect(state).toEqual({ assigned: [0, 1], trouble: undefined })
  })

  test('after one, until it joins anew', async () => {
    const { member, state } = await open()
    member.join([0, 1])
    expect(state).toEqual({ assigned: [0, 1], trouble: undefined })
    await untilSo(async () => state.assigned?.length === 0)
    expect(state.trouble).toMatch(SILENT)
    member.join([1])
    expect(state).toEqual({ assigned: [1], trouble: undefined })
  })

  test('or until its heartbeats are answered again, with the partitions it had', async () => {
    const { member, state } = await open()
    member.join([2])
    await untilSo(async () => state.trouble !== undefined)
    member.emit('heartbeat', { payload: {} })
    expect(state).toEqual({ assigned: [2], trouble: undefined })
  })
})
