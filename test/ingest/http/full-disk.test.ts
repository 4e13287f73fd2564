import { execFileSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

const DISK_BYTES = 96 * 1024 * 1024

/** A small file system, if this user may mount one. */
const disk = makeTemporaryDirectory()
const reason = mountSmallDisk()
if (reason !== undefined) console.info(`skipped: the test of a full disk needs to mount a small file system (${reason})`)

let tested: TestService
beforeAll(async () => {
  if (reason === undefined) tested = await startTestService({ DATA_DIR: disk.path })
})
afterAll(async () => {
  if (reason !== undefined) return disk.remove()
  await tested.stop()
  execFileSync('umount', [disk.path])
  disk.remove()
})

test.skipIf(reason !== undefined)(
  'P1: with a full disk a request is answered 503 and nothing is acknowledged; once there is space, the same request counts once',
  async () => {
    const { client } = tested
    const partner = await client.createPartner('Disk')
    await client.createIngestKey()
    await client.registerProject('disk', partner.partnerId)
    const usage = async () => (await client.projectUsage(partner, 'disk', '2026-01-01', '2026-01-31')).body.summary.total_ai_tokens
    expect((await client.send(batch('before'))).body).toMatchObject({ accepted: '500' })

    const filler = join(disk.path, 'filler')
    fillUp(filler)
    const unavailable = await client.send(batch('full'))
    expect(unavailable.status).toBe(503)
    expect(unavailable.body).toMatchObject({ success: false, code: 'EVENTS_UNAVAILABLE' })
    rmSync(filler)

    let answer = await client.send(batch('full'))
    while (answer.status === 503) answer = await client.send(batch('full'))
    expect(answer.status).toBe(200)
    expect(await usage()).toBe('1000')
    expect((await client.audit()).body).toMatchObject({ differences: [], events_recounted: '1000' })
  },
)

function batch(name: string) {
  return Array.from({ length: 500 }, (_, index) => ({
    event_id: `${name}-${index}-${'x'.repeat(80)}`,
    project_id: 'disk',
    metric: 'ai_tokens',
    value: 1,
    timestamp: `2026-01-${String(1 + (index % 28)).padStart(2, '0')}T00:00:00Z`,
  }))
}

function mountSmallDisk(): string | undefined {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', disk.path], { stdio: 'pipe' })
    return undefined
  } catch {
    return 'mounting is not allowed here'
  }
}

/** Writes until the disk is full. */
function fillUp(path: string): void {
  for (let bytes = DISK_BYTES; bytes >= 1024; bytes = Math.floor(bytes / 2)) {
    try {
      for (;;) writeFileSync(path, Buffer.alloc(bytes), { flag: 'a' })
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error
    }
  }
}
