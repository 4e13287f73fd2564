import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { type AuditEntry, verifyAuditChain } from '../../../contract/audit-chain.ts'
import { type Actor, listAuditEntries, SERVICE } from '../../../registry/audit-log.ts'
import { connectAccount, setAccountPlan } from '../../../registry/change-accounts.ts'
import { createPartner } from '../../../registry/create-partner.ts'
import { changeProjects } from '../../../registry/projects/change-projects.ts'
import { deleteProject, pauseProject } from '../../../registry/projects/lifecycle.ts'
import { findProject, findProjects, type Project } from '../../../registry/projects/project.ts'
import { type Registration, registerProject, registerProjects } from '../../../registry/projects/register-project.ts'
import { syncAccountProject, syncEmbeddedProject } from '../../../registry/projects/sync-project.ts'
import type { Registry } from '../../../registry/registry.ts'
import type { Insert, Lane } from '../../../sql/clickhouse.ts'
import { QUERY_WAS_CANCELLED_CODE, StoreError } from '../../../sql/errors.ts'
import { defineQuery } from '../../../sql/query.ts'
import { openTestStore, type TestStore } from '../../support/engines/embedded-store.ts'
import { queriesOf } from '../../support/query-trace.ts'
import { openTestRegistry } from '../../support/worlds/test-registry.ts'

let store: TestStore
let registry: Registry
let inserts: string[] = []
let fault: Fault | undefined
let partnerId: string
beforeAll(async () => {
  store = await openTestStore()
  registry = await openTestRegistry({ ...store.clickhouse, registry: observed(store.clickhouse.registry) })
})
beforeEach(async () => {
  fault = undefined
  partnerId = (await createPartner(registry, SERVICE, { name: 'Grouped', mode: 'co-branded' })).partner.id
  inserts = []
})
afterAll(() => store.close())

describe('changes that wait at the same time', () => {
  test('changes of several callers share one insert of audit entries and one of projects, and every entry is chained and names its own actor', async () => {
    const actors = Array.from({ length: 40 }, (_, nth): Actor => ({ name: `admin:${nth}`, requestId: `request-${nth}` }))
    const outcomes = await Promise.all(actors.map((actor, nth) => registerProject(registry, actor, registration(`many-${nth}`))))
    expect(outcomes.map(({ status }) => status)).toEqual(actors.map(() => 'created'))
    expect(inserts).toEqual(['audit_log_inbox_v1', 'projects_inbox_v2'])
    for (const [nth, actor] of actors.entries())
      expect(await entriesOf(`many-${nth}`)).toMatchObject([{ actor: actor.name, request_id: actor.requestId, action: 'project.register' }])
    await expectWholeChain()
  })

  test('a change decides on the ones before it in its group: names and ids stay unique, and limits hold', async () => {
    const { id: accountId } = await connectAccount(registry, SERVICE, { partnerId, email: 'grouped@example.com', name: 'G' })
    const outcomes = await Promise.all([
      registerProject(registry, SERVICE, registration('leads')),
      registerProject(registry, SERVICE, { ...registration('first'), name: 'one name' }),
      registerProject(registry, SERVICE, { ...registration('second'), name: 'one name' }),
      registerProject(registry, SERVICE, { ...registration('first'), name: 'another name' }),
      registerProject(registry, SERVICE, { ...registration('second'), name: 'one name' }),
      ...['a', 'b', 'c', 'a'].map((name) => syncAccountProject(registry, SERVICE, { partnerId, accountId, name })),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual([
      ...['created', 'created', 'name_taken', 'updated', 'created'],
      ...['synced', 'synced', 'limit_reached', 'synced'],
    ])
    const stored = await findProjects(registry, ['first', 'second'])
    expect([...stored.values()].map(({ name, revision }) => [name, revision])).toEqual(
      expect.arrayContaining([
        ['another name', 2],
        ['one name', 1],
      ]),
    )
    expect((await entriesOf('first')).map(({ action }) => action)).toEqual(['project.register', 'project.change'])
    await expectWholeChain()
  })

  test('a project whose name was stored before names were normalised is found by the same name in NFC', async () => {
    const { id } = await syncEmbeddedProject(registry, SERVICE, { partnerId, name: 'Cafe\u0301' })
    const registered = registerProject(registry, SERVICE, { ...registration('namesake'), name: 'Caf\u00e9' })
    expect((await syncEmbeddedProject(registry, SERVICE, { partnerId, name: 'Caf\u00e9' })).id).toBe(id)
    expect((await registered).status).toBe('name_taken')
  })

  test('a deletion in a group frees the name for the next change, and a later change of the deleted project finds none', async () => {
    const { id } = await syncEmbeddedProject(registry, SERVICE, { partnerId, name: 'reused' })
    const [, deleted, again, paused] = await Promise.all([
      registerProject(registry, SERVICE, registration('leads the deletion')),
      deleteProject(registry, SERVICE, { partnerId, projectId: id }),
      syncEmbeddedProject(registry, SERVICE, { partnerId, name: 'reused' }),
      pauseProject(registry, SERVICE, { partnerId, projectId: id }),
    ])
    expect([deleted?.status, again.status, again.id === id, paused]).toEqual(['deleted', 'active', false, undefined])
  })

  test('the project of an account is written after the account, even if they are of one group', async () => {
    const account = { partnerId, email: 'new@example.com', name: 'New' }
    const { id: accountId } = await connectAccount(registry, SERVICE, account)
    inserts = []
    await Promise.all([
      registerProject(registry, SERVICE, registration('leads the account')),
      syncAccountProject(registry, SERVICE, { partnerId, accountId, name: 'of the account' }),
      connectAccount(registry, SERVICE, { ...account, name: 'Renamed' }),
    ])
    expect(inserts).toEqual(['audit_log_inbox_v1', 'accounts_inbox_v1', 'projects_inbox_v2'])
  })

  test('a rejected change and one that throws leave the others of their group', async () => {
    const throwing = {
      needs: () => ({}),
      decide: () => {
        throw new Error('ours')
      },
    }
    const ended = await Promise.allSettled([
      registerProject(registry, SERVICE, registration('before')),
      registerProject(registry, SERVICE, { ...registration('foreign'), partnerId: 'ps_nobody' }),
      changeProjects(registry, SERVICE, [throwing]),
      registerProject(registry, SERVICE, registration('after')),
    ])
    expect(ended.map((each) => (each.status === 'fulfilled' ? Object(each.value).status : each.reason.message))).toEqual([
      'created',
      'partner_not_found',
      'ours',
      'created',
    ])
    expect([...(await findProjects(registry, ['before', 'foreign', 'after'])).keys()].toSorted()).toEqual(['after', 'before'])
  })

  test('a registration that changes nothing is unchanged, writes nothing and is not audited', async () => {
    await registerProject(registry, SERVICE, { ...registration('same'), region: 'eu-west' })
    inserts = []
    for (const same of [{}, { region: 'eu-west' }, { status: 'active' }] as const)
      expect((await registerProject(registry, SERVICE, { ...registration('same'), ...same })).status).toBe('unchanged')
    expect(inserts).toEqual([])
    expect(await entriesOf('same')).toHaveLength(1)
  })
})

test('the active projects of an account are read only for a new project of its free plan, and a foreign account costs what a missing one does', async () => {
  const { id: accountId } = await connectAccount(registry, SERVICE, { partnerId, email: 'reads@example.com', name: 'R' })
  const sync = (request: object) => queriesOf(() => syncAccountProject(registry, SERVICE, { partnerId, accountId, name: 'one', ...request }))
  const readsActive = async (request: object) => (await sync(request)).includes('candidates_by_account')
  expect([await readsActive({}), await readsActive({}), await readsActive({ name: 'two' }), await readsActive({ name: 'three' })]).toEqual([
    true,
    false,
    true,
    true,
  ])
  const stranger = (await createPartner(registry, SERVICE, { name: 'Stranger', mode: 'co-branded' })).partner.id
  const foreign = await sync({ partnerId: stranger })
  expect([foreign, foreign.includes('candidates_by_account')]).toEqual([await sync({ partnerId: stranger, accountId: 'missing' }), false])
  await setAccountPlan(registry, SERVICE, { accountId, plan: 'paid' })
  expect(await readsActive({ name: 'three' })).toBe(false)
})

describe('a group whose writes fail', () => {
  const batch = (prefix: string) =>
    registerProjects(
      registry,
      SERVICE,
      Array.from({ length: 5 }, (_, nth) => registration(`${prefix}-${nth}`)),
    )
  const storedOf = async (prefix: string) => [
    ...(
      await findProjects(
        registry,
        Array.from({ length: 5 }, (_, nth) => `${prefix}-${nth}`),
      )
    ).values(),
  ]

  test('a crash between the audit entries and the rows leaves an entry for each change and no change without one; a repeated call registers them', async () => {
    fault = { table: 'projects_inbox_v2', lands: false, error: new StoreError('unavailable', 'injected: no connection') }
    await expect(batch('crashed')).rejects.toThrow('injected: no connection')
    expect([(await entriesOf('crashed-0')).length, (await entriesOf('crashed-4')).length, (await storedOf('crashed')).length]).toEqual([1, 1, 0])
    expect((await batch('crashed')).map(({ status }) => status)).toEqual(Array(5).fill('created'))
    expect((await storedOf('crashed')).map(({ revision }) => revision)).toEqual(Array(5).fill(1))
    await expectWholeChain()
  })

  test('a crash before the audit entries leaves nothing', async () => {
    fault = { table: 'audit_log_inbox_v1', lands: false, error: new StoreError('unavailable', 'injected: no connection') }
    await expect(batch('unaudited')).rejects.toThrow('injected: no connection')
    expect([await entriesOf('unaudited-0'), await storedOf('unaudited')]).toEqual([[], []])
    await expectWholeChain()
  })

  test.each([
    { lands: true, entries: 1 },
    { lands: false, entries: 2 },
  ])(
    'a group that another process kills is decided again and each change lands once, whether or not its rows had landed ($lands)',
    async ({ lands, entries }) => {
      const prefix = `killed-${lands}`
      fault = { table: 'projects_inbox_v2', lands, error: new StoreError('unavailable', 'injected: killed', { code: QUERY_WAS_CANCELLED_CODE }) }
      expect((await batch(prefix)).map(({ status }) => status)).toEqual(Array(5).fill('created'))
      expect((await storedOf(prefix)).map(({ revision }) => revision)).toEqual(Array(5).fill(1))
      expect((await entriesOf(`${prefix}-3`)).length).toBe(entries)
      await expectWholeChain()
    },
  )

  test('of two processes that delete a project in one millisecond one deletes it, and one that was killed finds its own deletion', async () => {
    const other = await openTestRegistry(store.clickhouse)
    const deleted = (registryOf: Registry, projectId: string) => deleteProject(registryOf, SERVICE, { partnerId, projectId })
    const clock = vi.spyOn(Date, 'now').mockReturnValue(Date.now())
    try {
      await batch('deleted')
      let first: Project | undefined
      fault = { table: 'projects_inbox_v2', lands: true, meanwhile: async () => (first = await deleted(other, 'deleted-0')) }
      const second = await deleted(registry, 'deleted-0')
      expect([first?.status, second]).toEqual(['deleted', undefined])
      fault = { table: 'projects_inbox_v2', lands: true, error: new StoreError('unavailable', 'injected: killed', { code: QUERY_WAS_CANCELLED_CODE }) }
      expect(await deleted(registry, 'deleted-1')).toMatchObject({ status: 'deleted' })
    } finally {
      clock.mockRestore()
    }
  })
})

describe('a batch of projects', () => {
  test('of two projects with one name the second is rejected, an id twice is created and then compared, and the others are registered', async () => {
    const outcomes = await registerProjects(registry, SERVICE, [
      { ...registration('twin-1'), name: 'twin' },
      { ...registration('twin-2'), name: 'twin' },
      registration('twice'),
      { ...registration('twice'), region: 'ap-southeast' },
      { ...registration('twice'), region: 'ap-southeast' },
    ])
    expect(outcomes.map(({ status }) => status)).toEqual(['created', 'name_taken', 'created', 'updated', 'unchanged'])
    expect(await findProject(registry, 'twice')).toMatchObject({ region: 'ap-southeast', revision: 2 })
    expect(await findProject(registry, 'twin-2')).toBeUndefined()
  })

  test('1,000 projects need few statements and become visible together, created later than all projects before them', async () => {
    const [before] = await registerProjects(registry, SERVICE, [registration('the one before')])
    inserts = []
    const outcomes = await registerProjects(
      registry,
      SERVICE,
      Array.from({ length: 1_000 }, (_, nth) => registration(`thousand-${nth}`)),
    )
    expect(outcomes.filter(({ status }) => status === 'created')).toHaveLength(1_000)
    expect(inserts).toEqual(['audit_log_inbox_v1', 'projects_inbox_v2'])
    const created = new Set(outcomes.map((outcome) => ('project' in outcome ? outcome.project.createdMs : 0)))
    const beforeMs = before !== undefined && 'project' in before ? before.project.createdMs : Number.POSITIVE_INFINITY
    // Totals are kept by reading the projects created after a time, so projects of one time must be one part of the table.
    expect([created.size, Math.min(...created) > beforeMs]).toEqual([1, true])
    expect(await store.clickhouse.reads.query(largestNewPart, {})).toEqual([{ rows: 1_000 }])
    await expectWholeChain()
  })
})

function registration(projectId: string): Registration {
  return { projectId, partnerId, name: projectId }
}

interface Fault {
  readonly table: string
  /** Whether the rows are stored although the insert fails. */
  readonly lands: boolean
  readonly error?: StoreError
  /** Happens before the rows are sent. */
  readonly meanwhile?: () => Promise<unknown>
}

/** The same lane; it records the tables of its inserts, and the next insert into the table of `fault` fails. */
function observed(lane: Lane): Lane {
  const insert = async (each: Insert) => {
    inserts.push(each.table)
    const failing = fault?.table === each.table ? fault : undefined
    if (failing !== undefined) fault = undefined
    await failing?.meanwhile?.()
    if (failing === undefined || failing.lands) await lane.insert(each)
    if (failing?.error !== undefined) throw failing.error
  }
  return { ...lane, insert }
}

/** Oldest first. */
function entriesOf(subject: string): Promise<AuditEntry[]> {
  return listAuditEntries(store.clickhouse, { newestFirst: false, action: '', subject, limit: 10_000 })
}

async function expectWholeChain(): Promise<void> {
  const entries = await entriesOf('')
  expect(await verifyAuditChain(each(entries))).toMatchObject({ status: 'whole', entries: entries.length })
}

async function* each(entries: readonly AuditEntry[]): AsyncIterable<AuditEntry> {
  yield* entries
}

/** Of the parts that contain the rows of one insert, merged since or not. */
const largestNewPart = defineQuery({
  name: 'test_largest_new_part',
  sql: `SELECT max(rows) AS rows FROM system.parts
        WHERE database = currentDatabase() AND table = 'projects_v1' AND min_block_number = max_block_number`,
  params: z.object({}),
  row: z.object({ rows: z.coerce.number() }),
})
