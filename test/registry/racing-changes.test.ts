import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectAccount } from '../../registry/accounts.ts'
import { verifyAuditChain } from '../../registry/audit-chain.ts'
import { type AuditEntry, listAuditEntries, SERVICE } from '../../registry/audit-log.ts'
import { deleteProject, pauseProject, restoreProject } from '../../registry/projects/lifecycle.ts'
import { findActiveOfAccount, findProject } from '../../registry/projects/project.ts'
import { syncAccountProject, syncEmbeddedProject } from '../../registry/projects/sync-project.ts'
import { noteProvisioned } from '../../registry/provisioner/note-provisioned.ts'
import type { Registry } from '../../registry/registry.ts'
import { type ClickHouse, openClickHouse } from '../../sql/clickhouse.ts'
import { migrate } from '../../sql/migrate.ts'
import { clickHouseForTests, type TestClickHouse } from '../support/engines/clickhouse-server.ts'
import { openTestRegistry } from '../support/worlds/test-registry.ts'

/** Each process has connections and a registry of its own; two stand for any number. */
let server: TestClickHouse
const stores: ClickHouse[] = []
const processes: Registry[] = []
beforeAll(async () => {
  server = await clickHouseForTests()
  const url = server.newDatabase()
  for (let nth = 0; nth < 2; nth += 1) stores.push(await openClickHouse({ engine: 'server', url }))
  await migrate(processOf(0, stores))
  for (const store of stores) processes.push({ ...(await openTestRegistry(store)), provisions: true })
})
afterAll(async () => {
  for (const store of stores) await store.close()
  await server.stop()
})

const PARTNER = 'ps_raced'
const ROUNDS = 15

describe('two api processes on one store', () => {
  test('fifty syncs of one name make one project', async () => {
    const made = await fifty((registry) => syncEmbeddedProject(registry, SERVICE, { partnerId: PARTNER, name: 'one name' }))
    expect(new Set(made.map(({ id, sealedApiKey, revision }) => `${id} ${sealedApiKey} ${revision}`)).size).toBe(1)
    expect(made[0]?.revision).toBe(1)
  })

  test('fifty syncs of different names leave exactly two on the free plan, and every refusal names these two', async () => {
    const { id: accountId } = await connectAccount(processOf(0, processes), SERVICE, { partnerId: PARTNER, email: 'x@example.com', name: 'X' })
    const account = { partnerId: PARTNER, accountId }
    const outcomes = await fifty((registry, nth) => syncAccountProject(registry, SERVICE, { ...account, name: `name ${nth}` }))
    const active = (await findActiveOfAccount(processOf(1, processes), account)).map(({ id }) => id)
    expect(active).toHaveLength(2)
    const made = outcomes.flatMap((outcome) => (outcome.status === 'synced' ? [outcome.project.id] : []))
    expect(made.toSorted()).toEqual(active.toSorted())
    for (const outcome of outcomes) if (outcome.status === 'limit_reached') expect(outcome.candidates.map(({ id }) => id)).toEqual(active)
  })

  test('fifty connections of one email make one account', async () => {
    const made = await fifty((registry, nth) => connectAccount(registry, SERVICE, { partnerId: PARTNER, email: 'y@example.com', name: `Y ${nth % 2}` }))
    expect(new Set(made.map(({ id }) => id)).size).toBe(1)
  })

  test('pause, restore and deletion racing with what the platform says end in a deleted project and a whole audit log', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const [first, second] = [processOf(round % 2, processes), processOf((round + 1) % 2, processes)]
      const project = await syncEmbeddedProject(first, SERVICE, { partnerId: PARTNER, name: `racing ${round}` })
      const asked = { partnerId: PARTNER, projectId: project.id }
      const raced = await Promise.all([
        pauseProject(first, SERVICE, asked),
        deleteProject(second, SERVICE, asked),
        noteProvisioned(first, project).then(() => restoreProject(second, SERVICE, asked)),
        pauseProject(second, SERVICE, asked).then(async (paused) => {
          if (paused !== undefined) await noteProvisioned(second, paused)
          return paused
        }),
      ])
      const [, deleted] = raced
      expect(deleted?.status).toBe('deleted')
      const left = await findProject(first, project.id)
      expect([left?.status, left?.wantedStatus, left?.deletedMs]).toEqual(['deleted', 'deleted', deleted?.deletedMs])
      // Whatever the platform has said, the deletion is still to be handed over.
      expect(left !== undefined && left.provisionedRevision < left.wantedRevision).toBe(true)
      expect(await deleteProject(first, SERVICE, asked)).toBeUndefined()
      const actions = (await entriesOf(project.id)).map(({ action }) => action)
      const last = actions.lastIndexOf('project.delete')
      expect(actions.slice(last + 1).filter((action) => action !== 'project.provisioned')).toEqual([])
    }
    expect(await verifyAuditChain(each(await entriesOf('')))).toMatchObject({ status: 'whole' })
  })
})

function fifty<T>(work: (registry: Registry, nth: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: 50 }, (_, nth) => work(processOf(nth % 2, processes), nth)))
}

function processOf<T>(nth: number, all: readonly T[]): T {
  const found = all[nth]
  if (found === undefined) throw new Error('There is no such process.')
  return found
}

function entriesOf(subject: string): Promise<AuditEntry[]> {
  return listAuditEntries(processOf(0, stores), { newestFirst: false, action: '', subject, limit: 10_000 })
}

async function* each(entries: readonly AuditEntry[]): AsyncIterable<AuditEntry> {
  yield* entries
}
