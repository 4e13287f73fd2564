import { afterAll, beforeAll, expect, test } from 'vitest'
import { decodeEvent } from '../../../ingest/event/decode-body.ts'
import { validateEvent } from '../../../ingest/event/pipeline.ts'
import { detectDuplicates, type FindStored, type LogRecord, type Verdict } from '../../../ingest/log/detect-duplicates.ts'
import { findStored } from '../../../ingest/log/find-stored.ts'
import { FilterBudget, IdentityFilter } from '../../../ingest/log/identity-filter.ts'
import { hashIdentity } from '../../../ingest/log/identity-hash.ts'
import { writeBatch } from '../../../ingest/log/log-writer.ts'
import type { Identity } from '../../../ingest/log/look-up.ts'
import { acquireLease } from '../../../sql/lease.ts'
import { openTestStore, type TestStore } from '../../support/engines/embedded-store.ts'
import { queriesOf } from '../../support/query-trace.ts'

const at = '2026-01-01T00:00:00Z'

let store: TestStore
beforeAll(async () => {
  store = await openTestStore()
})
afterAll(() => store.close())

function record(offset: number, event: { project_id?: string; event_id?: string; metric?: string; value?: string; timestamp?: string }): LogRecord {
  const json = { project_id: 'p', event_id: 'e', metric: 'ai_tokens', value: '1', timestamp: at, ...event }
  const validated = validateEvent(decodeEvent(Buffer.from(JSON.stringify(json), 'utf8')), { receivedMs: Date.parse(at), allowedProjects: 'all' })
  return { log: 'http', offset, validated, receivedMs: 0, ingestKeyId: '' }
}

/** Stores one event as the owner of the log does. */
async function storeEvent(stored: LogRecord): Promise<void> {
  const { ingest } = store.clickhouse
  const outcome = await acquireLease(store.clickhouse, 'http')
  if (outcome.status !== 'acquired') throw new Error(outcome.status)
  const [first, through] = [stored.offset, stored.offset]
  await writeBatch(ingest, outcome.lease, { first, through, records: [stored], verdicts: [{ status: 'counted' }], position: 'always' })
}

const find: FindStored = (toFind) => {
  const { reads } = store.clickhouse
  return findStored({ lane: reads, catalogue: reads, indexed: true, secondsMax: 60 }, toFind)
}

/** The verdicts on these records with a filter that contains the stored event, and the identities that were looked up. */
async function detect(records: LogRecord[], stored?: LogRecord) {
  const filter = new IdentityFilter({ identitiesExpected: 0, budget: new FilterBudget(1024 ** 2) })
  if (stored?.validated.status === 'valid') filter.add(hashIdentity(stored.validated.event.projectId, stored.validated.event.eventId))
  filter.complete = true
  const lookedUp: Identity[] = []
  const { verdicts, newHashes } = await detectDuplicates(records, filter, (toFind) => {
    lookedUp.push(...toFind.identities)
    return find(toFind)
  })
  return { outcomes: verdicts.map((verdict) => (verdict.status === 'rejected' ? verdict.rejection.reason : verdict.status)), lookedUp, newHashes }
}

test('P2: within a batch the first event of an identity counts, an equal one is a duplicate, a different one is a conflict', async () => {
  const { outcomes, newHashes } = await detect([
    record(0, {}),
    record(1, { value: '1.0' }),
    record(2, { value: '2' }),
    record(3, { metric: 'mcp_calls' }),
    record(4, { timestamp: '2025-06-01T00:00:00Z' }),
  ])
  expect(outcomes).toEqual(['counted', 'duplicate', 'conflict', 'conflict', 'duplicate'])
  expect(newHashes).toHaveLength(1)
})

test('P2: an event at its stored offset is already stored, and at another offset a duplicate or a conflict', async () => {
  const stored = record(7, { project_id: 'stored' })
  await storeEvent(stored)
  expect((await detect([stored], stored)).outcomes).toEqual(['already_stored'])
  expect((await detect([record(8, { project_id: 'stored' })], stored)).outcomes).toEqual(['duplicate'])
  expect((await detect([record(8, { project_id: 'stored', value: '3' })], stored)).outcomes).toEqual(['conflict'])
})

test('P2: only identities that the filter does not clear are looked up', async () => {
  const stored = record(1, { event_id: 'known' })
  await storeEvent(stored)
  const { lookedUp } = await detect([record(5, { event_id: 'known' }), record(6, { event_id: 'new' })], stored)
  expect(lookedUp).toEqual([['p', 'known']])
})

test('P2: an event is found whichever month it is sent again with, and the index is asked only about what the months of the batch lack', async () => {
  const [january, march] = [record(20, { event_id: 'january' }), record(21, { event_id: 'march', timestamp: '2025-03-01T00:00:00Z' })]
  await storeEvent(january)
  await storeEvent(march)
  const detectAgain = async (records: LogRecord[]) => {
    const filter = new IdentityFilter({ identitiesExpected: 0, budget: new FilterBudget(1024 ** 2) })
    for (const id of ['january', 'march', 'absent']) filter.add(hashIdentity('p', id))
    filter.complete = true
    let verdicts: readonly Verdict[] = []
    const queries = await queriesOf(async () => {
      ;({ verdicts } = await detectDuplicates(records, filter, find))
    })
    return [verdicts.map(({ status }) => status), queries]
  }
  const again = record(22, { event_id: 'january' })
  expect(await detectAgain([again])).toEqual([['duplicate'], ['stored_events_of_months']])
  const ofOtherMonth = record(23, { event_id: 'march', value: '5' })
  expect(await detectAgain([again, ofOtherMonth])).toEqual([
    ['duplicate', 'rejected'],
    ['stored_events_of_months', 'indexed_identities', 'stored_events_of_months'],
  ])
  expect(await detectAgain([again, record(24, { event_id: 'absent' })])).toEqual([
    ['duplicate', 'counted'],
    ['stored_events_of_months', 'indexed_identities'],
  ])
  // Most of this batch is new, so the index is asked first: nearly all that a filter does not clear then is absent.
  const others = Array.from({ length: 20 }, (_, index) => record(30 + index, { event_id: `new-${index}` }))
  expect((await detectAgain([again, ...others]))[1]).toEqual(['indexed_identities', 'stored_events_of_months'])
})

test('P2: an identity belongs to its project, and its two fields are never joined', async () => {
  const { outcomes } = await detect([
    record(0, { project_id: 'a-b', event_id: 'c' }),
    record(1, { project_id: 'a', event_id: 'b-c' }),
    record(2, { project_id: 'a', event_id: 'c' }),
  ])
  expect(outcomes).toEqual(['counted', 'counted', 'counted'])
})

test('P2: a rejected event does not use up its identity: corrected in the same batch it counts', async () => {
  expect((await detect([record(0, { value: '-1' }), record(1, { value: '1' })])).outcomes).toEqual(['invalid_value', 'counted'])
})

test('P6: the message of a conflict advises nothing that bills twice: it has the correction to send', async () => {
  const messageOf = async (first: object, second: object) => {
    const records = [record(0, first), record(1, second)]
    const { verdicts } = await detectDuplicates(records, undefined, find)
    return verdicts[1]?.status === 'rejected' ? verdicts[1].rejection.message : ''
  }
  const identity = '"event_id":"<a new id>","project_id":"p","corrects":"e"'
  const amended = await messageOf({ value: '5' }, { value: '7.5' })
  expect(amended).toContain(
    `That one was kept; only a correction changes what it counts. If this is other usage, give it an id of its own. If it is a correction: send {${identity},"action":"amend","value":"7.5"`,
  )
  expect(amended).not.toContain('as a new event')
  const other = await messageOf({ value: '5' }, { value: '7', metric: 'mcp_calls' })
  expect(other).toContain(`send {${identity},"action":"void","reason":"<why>"}, and then this event with an id of its own.`)
})
