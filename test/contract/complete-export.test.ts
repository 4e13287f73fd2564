import { expect, test } from 'vitest'
import { requireComplete } from '../../contract/complete-export.ts'

async function isComplete(container: 'parquet' | 'xlsx', bytes: readonly number[], chunkBytes: number): Promise<boolean> {
  async function* chunks(): AsyncIterable<Uint8Array> {
    for (let at = 0; at < bytes.length; at += chunkBytes) yield Uint8Array.from(bytes.slice(at, at + chunkBytes))
  }
  let forwarded = 0
  try {
    for await (const chunk of requireComplete(chunks(), { container, rows: 1 })) forwarded += chunk.length
  } catch {
    return false
  }
  expect(forwarded).toBe(bytes.length)
  return true
}

test.each([
  ['parquet', [...Buffer.from('PAR1 rows PAR1')]],
  ['xlsx', [...Buffer.from('PK rows PK\u0005\u0006'), ...new Array(18).fill(0)]],
] as const)('a %s file is complete only with its end mark, however it is cut into chunks', async (container, file) => {
  for (const chunkBytes of [1, 3, 1_000]) {
    expect(await isComplete(container, file, chunkBytes)).toBe(true)
    for (let length = 0; length < file.length; length += 1)
      expect([length, await isComplete(container, file.slice(0, length), chunkBytes)]).toEqual([length, false])
  }
})
