import { monitorEventLoopDelay } from 'node:perf_hooks'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { listAuditEntries, SERVICE } from '../../../registry/audit-log.ts'
import { createPartner } from '../../../registry/create-partner.ts'
import { deleteProject } from '../../../registry/projects/lifecycle.ts'
import { derivedId, findProject, type NamedProject, newProject, withChanges, writeProjects } from '../../../registry/projects/project.ts'
import { type Registration, registerProject } from '../../../registry/projects/register-project.ts'
import { syncEmbeddedProject } from '../../../registry/projects/sync-project.ts'
import type { Registry } from '../../../registry/registry.ts'
import type { Insert, Lane } from '../../../sql/clickhouse.ts'
import { QUERY_WAS_CANCELLED_CODE, StoreError } from '../../../sql/errors.ts'
import { openTestStore, type TestStore } from '../../support/engines/embedded-store.ts'
import { queriesOf } from '../../support/query-trace.ts'
import { openTestRegistry } from '../../support/worlds/test-registry.ts'

let store: TestStore
let registry: Registry
let partnerId: string
beforeAll(async () => {
  store = await openTestStore()
  registry = await openTestRegistry(store.clickhouse)
  partnerId = (await createPartner(registry, SERVICE, { name: 'Registers', mode: 'white-label' })).partner.id
})
afterAll(() => store.close())

describe('a registration that another process kills after its row has landed', () => {
  const killedOnce = async () => openTestRegistry({ ...store.clickhouse, registry: killedAfter(store.clickhouse.registry, 'projects_inbox_v2') })
  const registration = (name: string): Registration => ({ projectId: 'killed', partnerId, name })
  const auditedActions = async () => {
    const entries = await listAuditEntries(store.clickhouse, { newestFirst: false, action: '', subject: 'killed', limit: 10 })
    return entries.map(({ action }) => action)
  }

  test('a registration that was killed after its row landed returns `created` and is audited once', async () => {
    const outcome = await registerProject(await killedOnce(), SERVICE, registration('Killed'))
    expect(outcome).toMatchObject({ status: 'created', project: { id: 'killed', revision: 1 } })
    expect(await auditedActions()).toEqual(['project.register'])
  })

  test('a change that was killed after its row landed returns `updated` and is written once', async () => {
    const outcome = await registerProject(await killedOnce(), SERVICE, registration('Renamed'))
    expect(outcome).toMatchObject({ status: 'updated', project: { name: 'Renamed', revision: 2 } })
    expect(await auditedActions()).toEqual(['project.register', 'project.change'])
    expect((await findProject(registry, 'killed'))?.revision).toBe(2)
  })
})

describe('the id of a project whose name was used before', () => {
  test.each([1, 2, 3, 20, 130, 1_000])('of a name that was used %i times, a project gets the next derived id after few queries', async (incarnations) => {
    const named = await usedName(`used ${incarnations} times`, incarnations)
    const queries = await queriesOf(() => syncEmbeddedProject(registry, SERVICE, named))
    expect(queries.filter((name) => name === 'candidates_by_id_or_name' || name === 'projects_by_id').length).toBeLessThanOrEqual(6)
    expect((await syncEmbeddedProject(registry, SERVICE, named)).id).toBe(derivedId(named, incarnations + 1))
  })

  test('the derived id of a project never changes', () => {
    const named = { partnerId: PARTNER, accountId: '', name: 'again and again' }
    expect([1, 2, 130].map((incarnation) => derivedId(named, incarnation))).toEqual(DERIVED)
  })

  test('100 calls for a name that was used 1,000 times create one project, and do not hold the event loop', async () => {
    const named = await usedName('wanted by many', 1_000)
    await syncEmbeddedProject(registry, SERVICE, { ...named, name: 'first of all' })
    const delay = monitorEventLoopDelay({ resolution: 5 })
    delay.enable()
    const projects = await Promise.all(Array.from({ length: 100 }, () => syncEmbeddedProject(registry, SERVICE, named)))
    delay.disable()
    expect(new Set(projects.map(({ id }) => id))).toEqual(new Set([derivedId(named, 1_001)]))
    expect(delay.max / NS_PER_MS).toBeLessThan(EVENT_LOOP_MS_MAX)
  })

  test('changes of one group that create and delete projects of one name give each the next id', async () => {
    const named = await usedName('created and deleted together', 40)
    const ids = Array.from({ length: 30 }, (_, index) => derivedId(named, 41 + index))
    const projects = await Promise.all([
      registerProject(registry, SERVICE, { projectId: 'leads the group', partnerId, name: 'leads the group' }),
      ...ids.flatMap((projectId) => [
        syncEmbeddedProject(registry, SERVICE, named).then(({ id }) => id),
        deleteProject(registry, SERVICE, { partnerId: PARTNER, projectId }).then((deleted) => deleted?.id),
      ]),
    ])
    expect(projects.slice(1)).toEqual(ids.flatMap((id) => [id, id]))
  })

  /** A name whose projects have all been deleted. */
  async function usedName(name: string, incarnations: number): Promise<NamedProject> {
    const named = { partnerId: PARTNER, accountId: '', name }
    const deleted = { status: 'deleted', wantedStatus: 'deleted', deletedMs: Date.now() } as const
    const projects = Array.from({ length: incarnations }, (_, index) => {
      const created = newProject(registry, { ...named, id: derivedId(named, index + 1), createdMs: Date.now() })
      return [withChanges(registry, created, {}), withChanges(registry, withChanges(registry, created, {}), deleted)]
    })
    await registry.changes.run(SERVICE, (change) => writeProjects(change, projects.flat()))
    return named
  }
})

const PARTNER = 'ps_registers'
const NS_PER_MS = 1e6
const EVENT_LOOP_MS_MAX = 200

/** Ids that services have assigned must not change. */
const DERIVED = ['13496d23-9637-5011-b4b3-47165c0f2d99', 'c1599f5f-dae8-5f6e-83cf-d0c5e9a08d1e', '20092797-60fe-5737-ae69-7050c9512dc4']

/** The same lane, but the first insert into `table` fails as if it had been killed, although it has landed. */
function killedAfter(lane: Lane, table: string): Lane {
  let met = false
  const insert = async (each: Insert) => {
    await lane.insert(each)
    if (each.table !== table || met) return
    met = true
    throw new StoreError('unavailable', 'injected: killed', { code: QUERY_WAS_CANCELLED_CODE })
  }
  return { ...lane, insert }
}
