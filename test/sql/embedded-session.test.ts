import { expect, test } from 'vitest'
import { openTestStore } from '../support/engines/embedded-store.ts'

test('a store that is closed while a statement runs has left its directory when another is opened', async () => {
  const { clickhouse, close } = await openTestStore()
  const ended = clickhouse.control.command('SELECT sleep(1) FORMAT Null').catch((thrown: unknown) => thrown)
  await close()
  const next = await openTestStore()
  await next.close()
  expect(await ended).toBeUndefined()
})
