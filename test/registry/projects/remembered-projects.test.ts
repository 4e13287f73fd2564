import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { SERVICE } from '../../../registry/audit-log.ts'
import { createPartner } from '../../../registry/create-partner.ts'
import { pauseProject } from '../../../registry/projects/lifecycle.ts'
import { PROJECTS_INBOX, RememberedProjects } from '../../../registry/projects/remembered-projects.ts'
import { syncEmbeddedProject } from '../../../registry/projects/sync-project.ts'
import type { Registry } from '../../../registry/registry.ts'
import type { Lane } from '../../../sql/clickhouse.ts'
import { defineQuery } from '../../../sql/query.ts'
import { openTestStore, type TestStore } from '../../support/engines/embedded-store.ts'
import { openTestRegistry } from '../../support/worlds/test-registry.ts'

let store: TestStore
let registry: Registry
beforeAll(async () => {
  store = await openTestStore()
  registry = await openTestRegistry(store.clickhouse)
})
afterAll(() => store.close())

async function partnerWithProject(name: string) {
  const { partner } = await createPartner(registry, SERVICE, { name, mode: 'white-label' })
  const project = await syncEmbeddedProject(registry, SERVICE, { partnerId: partner.id, name, region: 'us-east', instanceType: 'nano' })
  return { partnerId: partner.id, projectId: project.id }
}

/** The memory, and how many queries a call of it ran. */
function countedMemory() {
  let queries = 0
  const query: Lane['query'] = (...asked) => {
    queries += 1
    return store.clickhouse.registry.query(...asked)
  }
  const memory = new RememberedProjects({ clickhouse: { ...store.clickhouse, registry: { ...store.clickhouse.registry, query } } })
  return async (of: { partnerId: string; projectId: string }) => {
    const before = queries
    const project = await memory.find(of)
    return [project?.status, queries - before]
  }
}

test("a partner's project is read again only after a project was written", async () => {
  const mine = await partnerWithProject('mine')
  const find = countedMemory()
  expect(await find(mine)).toEqual(['active', 1])
  expect(await find(mine)).toEqual(['active', 0])
  await createPartner(registry, SERVICE, { name: 'no project is written', mode: 'white-label' })
  expect(await find(mine)).toEqual(['active', 0])
  await pauseProject(registry, SERVICE, mine)
  expect(await find(mine)).toEqual(['paused', 1])
  expect(await find(mine)).toEqual(['paused', 0])
})

test("P5: another partner's project is queried every time, like one that does not exist", async () => {
  const [mine, other] = [await partnerWithProject('asks'), await partnerWithProject('is-asked-for')]
  const find = countedMemory()
  await find(other)
  for (const projectId of [other.projectId, 'unknown']) {
    expect(await find({ partnerId: mine.partnerId, projectId })).toEqual([undefined, 1])
    expect(await find({ partnerId: mine.partnerId, projectId })).toEqual([undefined, 1])
  }
  expect(await find(other)).toEqual(['active', 0])
})

test('every project is written through the inbox whose writes are counted', async () => {
  const views = await store.clickhouse.registry.query(viewsIntoProjects, {})
  // Through the other one, versions before 028_add_provisioning_to_projects_v1.sql wrote.
  expect(views).toEqual([{ source: 'projects_inbox_v1' }, { source: PROJECTS_INBOX }])
})

const viewsIntoProjects = defineQuery({
  name: 'test_views_into_projects',
  sql: `SELECT extract(as_select, 'FROM (?:\\\\w+\\\\.)?(\\\\w+)') AS source FROM system.tables
        WHERE database = currentDatabase() AND engine = 'MaterializedView' AND create_table_query LIKE '% TO %.projects_v1 %' ORDER BY source`,
  params: z.object({}),
  row: z.object({ source: z.string() }),
})
