import { expect, test } from 'vitest'
import { openEmbeddedSession } from '../../sql/embedded-session.ts'
import { Writes } from '../../sql/writes.ts'
import { openTestStore } from '../support/engines/embedded-store.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'
import { untilSo } from '../support/until-so.ts'

test('a store that is closed while a statement runs has left its directory when another is opened', async () => {
  const { clickhouse, close } = await openTestStore()
  const ended = clickhouse.control.command('SELECT sleep(1) FORMAT Null').catch((thrown: unknown) => thrown)
  await close()
  const next = await openTestStore()
  await next.close()
  expect(await ended).toBeUndefined()
})

test('a write has a state only when the engine has ended it, also one that nobody waits for anymore', async () => {
  const directory = makeTemporaryDirectory()
  const writes = new Writes()
  const session = await openEmbeddedSession(directory.path, writes)
  await session.command('CREATE TABLE slow_v1 (number UInt64) ENGINE = MergeTree ORDER BY number', 60_000)
  const before = writes.state()
  expect(before).toBeDefined()
  const slow = 'INSERT INTO slow_v1 SELECT number FROM numbers(1) WHERE sleep(1) = 0'
  await expect(session.write(slow, 1)).rejects.toMatchObject({ fault: 'unavailable' })
  expect(writes.state()).toBeUndefined()
  await untilSo(async () => writes.state() !== undefined)
  expect(writes.state()).not.toBe(before)
  await session.close()
  directory.remove()
})
