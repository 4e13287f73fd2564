import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { hashIdentity, IDENTITY_HASH_SQL } from '../../../ingest/log/identity-hash.ts'
import type { Identity } from '../../../ingest/log/look-up.ts'
import { partitionOfProject } from '../../../metering/project-partition.ts'
import { readMigrations } from '../../../sql/migrate.ts'
import { defineQuery } from '../../../sql/query.ts'
import { PROJECT_HASH_SQL } from '../../../sql/shards.ts'
import { row } from '../../../sql/tab-separated.ts'
import { openTestStore, type TestStore } from '../../support/engines/embedded-store.ts'
import { Random } from '../../support/random.ts'

let store: TestStore
beforeAll(async () => {
  store = await openTestStore()
})
afterAll(() => store.close())

const SEED = Number(process.env['RANDOM_SEED'] ?? Date.now() % 1e6)
/** Of every length in UTF-8, lone surrogates, and the characters that rows escape. */
const CHARACTERS = ['a', 'Z', '0', '-', ' ', "'", '\\', 'é', 'ß', '漢', '\u{1F600}', '\ud800', '\udc00', '\u{10FFFF}', '\u007f']

function randomIdentities(count: number): Identity[] {
  const random = new Random(SEED)
  const text = (characters: readonly string[], lengthMax: number) => Array.from({ length: 1 + random.below(lengthMax) }, () => random.pick(characters)).join('')
  return Array.from({ length: count }, () => [text(['p', 'q', '-', '_', '7'], 64), text(random.below(2) === 0 ? CHARACTERS : CHARACTERS.slice(0, 5), 64)])
}

test(`P2: an identity has the same hash here and in ClickHouse, whatever its characters (seed ${SEED})`, async () => {
  const identities = randomIdentities(5_000)
  const rows = await store.clickhouse.reads.query(hashesInSql, { identities: identities.map((identity) => row(identity)).join('') })
  expect(rows.map(({ hash }) => hash)).toEqual(identities.map((identity) => hashIdentity(...identity)))
  for (const partitions of [1, 7, 12])
    expect(rows.map(({ project }) => project % partitions)).toEqual(identities.map(([projectId]) => partitionOfProject(projectId, partitions)))
})

test('P2: the hash of an identity never changes, because the rows of a database are indexed by it', async () => {
  expect(hashIdentity('p', 'e')).toBe(8960483948598749)
  expect(hashIdentity('project-1', '0190f5a2-7c1e-7d2a-9b1e-3f0c6a5d4e21')).toBe(365044674359094)
  expect([hashIdentity('a-b', 'c'), hashIdentity('a', 'b-c')]).toEqual([2530439863082317, 1479669429693570])
  const view = (await readMigrations()).flatMap(({ statements }) => statements).filter((statement) => statement.includes('identity_hashes_mv_v1'))
  expect(view).toHaveLength(1)
  expect(view[0]).toContain(`${IDENTITY_HASH_SQL} AS hash`)
  expect(view[0]).toContain(`${PROJECT_HASH_SQL} AS project`)
})

const hashesInSql = defineQuery({
  name: 'hashes_in_sql',
  sql: `SELECT ${PROJECT_HASH_SQL} AS project, ${IDENTITY_HASH_SQL} AS hash FROM format(TabSeparated, 'project_id String, event_id String', {identities: String})`,
  params: z.object({ identities: z.string() }),
  row: z.object({ project: z.coerce.number(), hash: z.coerce.number() }),
})
