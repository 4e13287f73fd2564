import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createEmitter, type DropReason, type EmitterOptions, type UsageEvent } from '../../emitter/emitter.ts'
import { type DiskSpoolOptions, diskSpool, SpoolInUse } from '../../emitter/spool/disk-spool.ts'
import { ScriptedService } from '../support/emitter/scripted-service.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'

let directory: ReturnType<typeof makeTemporaryDirectory>
let folder: string
let service: ScriptedService
let problems: string[]
let dropped: DropReason[]
beforeEach(() => {
  directory = makeTemporaryDirectory()
  folder = join(directory.path, 'spool')
  service = new ScriptedService()
  problems = []
  dropped = []
})
afterEach(() => directory.remove())

function open(options: Partial<DiskSpoolOptions> = {}, emitterOptions: Partial<EmitterOptions> = {}) {
  return createEmitter({
    ...(emitterOptions as object),
    url: 'http://meterline.test',
    key: 'k',
    fetch: service.fetch,
    spool: diskSpool({ folder, ...options }),
    onProblem: ({ kind, message }) => kind === 'spool_failed' && problems.push(message),
    onDropped: ({ events, reason }) => dropped.push(...events.map(() => reason)),
  })
}

function event(number: number): UsageEvent {
  return { event_id: `e${number}`, project_id: 'p1', metric: 'ai_tokens', value: number }
}

function segments(): string[] {
  return readdirSync(folder).filter((name) => name.endsWith('.events'))
}

const names = (count: number) => Array.from({ length: count }, (_, number) => `e${number}`)

test('events that were not delivered are sent by the next emitter, with the same ids, and then removed from the disk', async () => {
  service.isDown = true
  const first = open()
  const ids = [first.emit({ project_id: 'p1', metric: 'ai_tokens', value: 1 }), first.emit(event(1))]
  expect(await first.close({ timeout: 1 })).toEqual({ delivered: 0, rejected: 0, dropped: 0, spooled: 2 })
  service.isDown = false
  const next = open()
  expect(await next.close()).toEqual({ delivered: 2, rejected: 0, dropped: 0, spooled: 0 })
  expect([...service.arrivals.keys()]).toEqual(ids)
  expect(segments()).toEqual([])
})

test('an acknowledged segment is removed while the emitter goes on', async () => {
  const emitter = open()
  emitter.emit(event(0))
  expect(segments()).toHaveLength(1)
  await emitter.flush()
  expect(segments()).toEqual([])
  emitter.emit(event(1))
  expect(segments()).toHaveLength(1)
  await emitter.close()
  expect(service.arrivals.size).toBe(2)
})

test('a line that was not written whole is left out, and every whole line is sent', async () => {
  service.isDown = true
  const first = open()
  for (let number = 0; number < 3; number += 1) first.emit(event(number))
  await first.close({ timeout: 1 })
  const [name = ''] = segments()
  // As a kill in the middle of a write leaves it.
  truncateSync(join(folder, name), statSync(join(folder, name)).size - 5)
  service.isDown = false
  const next = open()
  await next.close()
  expect([...service.arrivals.keys()]).toEqual(['e0', 'e1'])
  expect(segments()).toEqual([])
})

test('a line that was damaged is left out and reported, and its file is kept', async () => {
  service.isDown = true
  const first = open()
  for (let number = 0; number < 3; number += 1) first.emit(event(number))
  await first.close({ timeout: 1 })
  const path = join(folder, segments()[0] ?? '')
  writeFileSync(path, readFileSync(path, 'utf8').replace('"value":1', '"value":7'))
  service.isDown = false
  await open().close()
  expect([...service.arrivals.keys()]).toEqual(['e0', 'e2'])
  expect(problems).toEqual([expect.stringContaining('1 damaged line.')])
  expect(readdirSync(folder)).toEqual([expect.stringMatching(/\.events\.damaged$/)])
})

test('events beyond the memory are read from the disk, each is sent once, and in their order', async () => {
  service.isDown = true
  const emitter = open({ segmentBytesMax: 2_000 }, { bufferEventsMax: 100, batchEventsMax: 30, requestsMax: 1, random: () => 0 })
  for (let number = 0; number < 1_000; number += 1) emitter.emit(event(number))
  expect(emitter.totals.waiting).toBe(1_000)
  service.isDown = false
  await emitter.close()
  expect([...service.arrivals.keys()]).toEqual(names(1_000))
  expect([...service.arrivals.values()].every((times) => times === 1)).toBe(true)
  expect([dropped, segments()]).toEqual([[], []])
})

test('an event that does not fit on the disk is dropped, and reported', async () => {
  service.isDown = true
  const emitter = open({ spoolBytesMax: 1_000 })
  for (let number = 0; number < 20; number += 1) emitter.emit(event(number))
  const { spooled } = await emitter.close({ timeout: 1 })
  expect(spooled).toBeGreaterThan(5)
  expect(dropped).toEqual(Array.from({ length: 20 - spooled }, () => 'spool_full'))
})

test('an event that the disk does not accept is kept in memory, reported and sent', async () => {
  const emitter = open()
  rmSync(folder, { recursive: true })
  expect(emitter.emit(event(0))).toBe('e0')
  expect(problems.length).toBeGreaterThan(0)
  expect(await emitter.close()).toMatchObject({ delivered: 1, dropped: 0 })
})

test('a folder that is in use is rejected, also within one process, and is free after close', async () => {
  const emitter = open()
  expect(() => open()).toThrow(SpoolInUse)
  await emitter.close()
  await open().close()
})

test('the lock of a process that no longer runs is replaced, and the lock of another host is not', async () => {
  mkdirSync(folder)
  const lock = join(folder, 'lock')
  const { host, ...owner } = { pid: 2 ** 22 + 1, host: (await import('node:os')).hostname(), started: '1', token: 't' }
  writeFileSync(lock, JSON.stringify({ ...owner, host }))
  await open().close()
  // The same process id, but started at another time.
  writeFileSync(lock, JSON.stringify({ ...owner, host, pid: process.pid }))
  await open().close()
  writeFileSync(lock, JSON.stringify({ ...owner, host: 'elsewhere' }))
  expect(() => open()).toThrow(/elsewhere.*delete/)
  appendFileSync(lock, 'torn')
  await open().close()
})
