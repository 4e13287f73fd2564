import { expect, test } from 'vitest'
import { decodeEvent } from '../../../ingest/event/decode-body.ts'
import { judgeEvent } from '../../../ingest/event/pipeline.ts'
import { detectDuplicates, type LogRecord } from '../../../ingest/log/detect-duplicates.ts'
import { FilterBudget, hashIdentity, IdentityFilter } from '../../../ingest/log/identity-filter.ts'
import { type Identity, IdentityMap, type StoredEvent } from '../../../ingest/log/stored-events.ts'

const at = '2026-01-01T00:00:00Z'

function record(offset: number, event: { project_id?: string; event_id?: string; metric?: string; value?: string; timestamp?: string }): LogRecord {
  const json = { project_id: 'p', event_id: 'e', metric: 'ai_tokens', value: '1', timestamp: at, ...event }
  const judged = judgeEvent(decodeEvent(Buffer.from(JSON.stringify(json), 'utf8')), { receivedMs: Date.parse(at), allowedProjects: 'all' })
  return { log: 'http', offset, judged, receivedMs: 0, ingestKeyId: '' }
}

async function tell(records: LogRecord[], stored: [Identity, StoredEvent][] = []) {
  const filter = new IdentityFilter({ identitiesExpected: 0, budget: new FilterBudget(1024 ** 2) })
  for (const [[projectId, eventId]] of stored) filter.add(hashIdentity(projectId, eventId))
  filter.complete = true
  const asked: Identity[] = []
  const { verdicts, newHashes } = await detectDuplicates(records, filter, async (identities) => {
    asked.push(...identities)
    const map = new IdentityMap<StoredEvent>()
    for (const [[projectId, eventId], event] of stored) map.set(projectId, eventId, event)
    return map
  })
  return { told: verdicts.map((verdict) => (verdict.status === 'rejected' ? verdict.rejection.reason : verdict.status)), asked, newHashes }
}

test('P2: within a batch the first one counts, an equal one is a duplicate, another one a conflict', async () => {
  const { told, newHashes } = await tell([
    record(0, {}),
    record(1, { value: '1.0' }),
    record(2, { value: '2' }),
    record(3, { metric: 'mcp_calls' }),
    record(4, { timestamp: '2025-06-01T00:00:00Z' }),
  ])
  expect(told).toEqual(['counted', 'duplicate', 'conflict', 'conflict', 'duplicate'])
  expect(newHashes).toHaveLength(1)
})

test('P2: the stored place decides: the same one is this very event, another one a copy', async () => {
  const stored: [Identity, StoredEvent][] = [[['p', 'e'], { metric: 'ai_tokens', value: '1', log: 'http', offset: 7 }]]
  expect((await tell([record(7, {})], stored)).told).toEqual(['already_stored'])
  expect((await tell([record(8, {})], stored)).told).toEqual(['duplicate'])
  expect((await tell([record(8, { value: '3' })], stored)).told).toEqual(['conflict'])
})

test('P2: only what the filter cannot clear is looked up', async () => {
  const stored: [Identity, StoredEvent][] = [[['p', 'known'], { metric: 'ai_tokens', value: '1', log: 'http', offset: 1 }]]
  const { asked } = await tell([record(5, { event_id: 'known' }), record(6, { event_id: 'new' })], stored)
  expect(asked).toEqual([['p', 'known']])
})

test('P2: an identity is scoped by its project, and its fields are never joined', async () => {
  const { told } = await tell([
    record(0, { project_id: 'a-b', event_id: 'c' }),
    record(1, { project_id: 'a', event_id: 'b-c' }),
    record(2, { project_id: 'a', event_id: 'c' }),
  ])
  expect(told).toEqual(['counted', 'counted', 'counted'])
})

test('P2: a refused event does not use up its identity: mended in the same batch it counts', async () => {
  expect((await tell([record(0, { value: '-1' }), record(1, { value: '1' })])).told).toEqual(['invalid_value', 'counted'])
})
