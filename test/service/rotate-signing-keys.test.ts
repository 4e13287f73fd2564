import { join } from 'node:path'
import { expect, test } from 'vitest'
import { makeDueSigningKey } from '../../registry/keys/rotate-signing-key.ts'
import { openClickHouse } from '../../sql/clickhouse.ts'
import { migrate } from '../../sql/migrate.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'
import { untilSo } from '../support/until-so.ts'
import { openTestRegistry, TEST_MASTER_KEY } from '../support/worlds/test-registry.ts'
import { startTestService } from '../support/worlds/test-service.ts'

const DAY_MS = 86_400_000

/** The states of the signing keys after a start on a store whose only key is 40 days old. */
async function statesAfterStart(environment: Record<string, string>, expected: number): Promise<string[]> {
  const directory = makeTemporaryDirectory()
  const clickhouse = await openClickHouse({ engine: 'embedded', directory: join(directory.path, 'clickhouse') })
  await migrate(clickhouse)
  await makeDueSigningKey(await openTestRegistry(clickhouse, { now: () => Date.now() - 40 * DAY_MS }), 0)
  await clickhouse.close()
  const tested = await startTestService({ DATA_DIR: directory.path, MASTER_KEY: TEST_MASTER_KEY, ...environment })
  const states = async (): Promise<string[]> =>
    (await tested.client.admin('GET', '/admin/v1/signing-keys')).body.signing_keys.map(({ state }: { state: string }) => state)
  await untilSo(async () => (await states()).length >= expected)
  const found = await states()
  await tested.stop()
  directory.remove()
  return found
}

test('a signing key older than SIGNING_KEY_DAYS is rotated automatically; the old one signs until the new one has been published for a while', async () => {
  expect(await statesAfterStart({}, 2)).toEqual(['signing', 'next'])
})

test('a signing key younger than SIGNING_KEY_DAYS is not rotated, and with 0 no key is', async () => {
  expect(await statesAfterStart({ SIGNING_KEY_DAYS: '41' }, 1)).toEqual(['signing'])
  expect(await statesAfterStart({ SIGNING_KEY_DAYS: '0' }, 1)).toEqual(['signing'])
})
