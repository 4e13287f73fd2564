import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AuditEntry } from '../../contract/audit-chain.ts'
import { verifyAuditChain } from '../../contract/audit-chain.ts'
import { listAuditEntries, SERVICE } from '../../registry/audit-log.ts'
import { connectAccount } from '../../registry/change-accounts.ts'
import { createPartner } from '../../registry/create-partner.ts'
import { deleteProject, pauseProject, restoreProject } from '../../registry/projects/lifecycle.ts'
import { listRegisteredProjects } from '../../registry/projects/list-projects.ts'
import { findProject, findProjects } from '../../registry/projects/project.ts'
import { registerProject, registerProjects } from '../../registry/projects/register-project.ts'
import { syncAccountProject, syncEmbeddedProject } from '../../registry/projects/sync-project.ts'
import { noteProvisioned } from '../../registry/provisioner/note-provisioned.ts'
import type { Registry } from '../../registry/registry.ts'
import { type ClickHouse, openClickHouse } from '../../sql/clickhouse.ts'
import { migrate } from '../../sql/migrate.ts'
import { clickHouseForTests, type TestClickHouse } from '../support/engines/clickhouse-server.ts'
import { openTestRegistry } from '../support/worlds/test-registry.ts'

/** Each process has its own connections and registry; two represent any number. */
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
const ROUNDS = 8

describe('two api processes on one store', () => {
  test('fifty concurrent syncs of one name create one project', async () => {
    const created = await fifty((registry) => syncEmbeddedProject(registry, SERVICE, { partnerId: PARTNER, name: 'one name' }))
    expect(new Set(created.map(({ id, sealedApiKey, revision }) => `${id} ${sealedApiKey} ${revision}`)).size).toBe(1)
    expect(created[0]?.revision).toBe(1)
  })

  test('fifty concurrent syncs of different names create exactly two projects on the free plan, and every rejection names these two', async () => {
    const { id: accountId } = await connectAccount(processOf(0, processes), SERVICE, { partnerId: PARTNER, email: 'x@example.com', name: 'X' })
    const account = { partnerId: PARTNER, accountId }
    const outcomes = await fifty((registry, nth) => syncAccountProject(registry, SERVICE, { ...account, name: `name ${nth}` }))
    const registered = { partnerId: PARTNER, status: 'active', region: undefined, search: '', after: { createdMs: 0, id: '' }, limit: 100 } as const
    const projects = await listRegisteredProjects(processOf(1, stores), registered)
    const active = projects.filter((project) => project.accountId === accountId).map(({ id }) => id)
    expect(active).toHaveLength(2)
    const created = outcomes.flatMap((outcome) => (outcome.status === 'synced' ? [outcome.project.id] : []))
    expect(created.toSorted()).toEqual(active.toSorted())
    for (const outcome of outcomes) if (outcome.status === 'limit_reached') expect(outcome.candidates.map(({ id }) => id)).toEqual(active)
  })

  test('fifty concurrent connections of one email create one account', async () => {
    const created = await fifty((registry, nth) => connectAccount(registry, SERVICE, { partnerId: PARTNER, email: 'y@example.com', name: `Y ${nth % 2}` }))
    expect(new Set(created.map(({ id }) => id)).size).toBe(1)
  })

  test('batches that race with single registrations of the same ids and names in the other process register each once, and the audit log stays whole', async () => {
    const { partner } = await createPartner(processOf(0, processes), SERVICE, { name: 'Batched', mode: 'white-label' })
    // Every id is registered by a batch of each process and by a single call, and every name is used by two ids.
    const ids = Array.from({ length: 60 }, (_, nth) => `batched-${nth}`)
    const registrations = ids.map((projectId, nth) => ({ projectId, partnerId: partner.id, name: `name ${nth % 30}` }))
    const outcomes = await Promise.all([
      registerProjects(processOf(0, processes), SERVICE, registrations),
      registerProjects(processOf(1, processes), SERVICE, registrations.toReversed()),
      Promise.all(registrations.map((registration, nth) => registerProject(processOf(nth % 2, processes), SERVICE, registration))),
    ])
    const created = outcomes.flat().flatMap((outcome) => (outcome.status === 'created' ? [outcome.project.id] : []))
    const stored = [...(await findProjects(processOf(0, processes), ids)).values()]
    expect(stored).toHaveLength(30)
    expect(new Set(stored.map(({ name }) => name)).size).toBe(30)
    expect(created.toSorted()).toEqual(stored.map(({ id }) => id).toSorted())
    expect(outcomes.flat().filter(({ status }) => !['created', 'unchanged', 'name_taken'].includes(status))).toEqual([])
    expect(await verifyAuditChain(each(await entriesOf('')))).toMatchObject({ status: 'whole' })
  })

  test('a deletion that races with pauses, restores and acknowledgements of the platform wins, and the audit log stays whole', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const [first, second] = [processOf(round % 2, processes), processOf((round + 1) % 2, processes)]
      const project = await syncEmbeddedProject(first, SERVICE, { partnerId: PARTNER, name: `racing ${round}` })
      const request = { partnerId: PARTNER, projectId: project.id }
      const raced = await Promise.all([
        pauseProject(first, SERVICE, request),
        deleteProject(second, SERVICE, request),
        noteProvisioned(first, project).then(() => restoreProject(second, SERVICE, request)),
        pauseProject(second, SERVICE, request).then(async (paused) => {
          if (paused !== undefined) await noteProvisioned(second, paused)
          return paused
        }),
      ])
      const [, deleted] = raced
      expect(deleted?.status).toBe('deleted')
      const left = await findProject(first, project.id)
      expect([left?.status, left?.wantedStatus, left?.deletedMs]).toEqual(['deleted', 'deleted', deleted?.deletedMs])
      // Whatever the platform has acknowledged, the deletion is still pending.
      expect(left !== undefined && left.provisionedRevision < left.wantedRevision).toBe(true)
      expect(await deleteProject(first, SERVICE, request)).toBeUndefined()
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
