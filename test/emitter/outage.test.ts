import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, expect, test } from 'vitest'
import { createEmitter, type EmitterOptions } from '../../emitter/emitter.ts'
import { diskSpool } from '../../emitter/spool/disk-spool.ts'
import { ScriptedService } from '../support/emitter/scripted-service.ts'
import { VirtualClock } from '../support/emitter/virtual-clock.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'

const HOURS = 24
const MINUTES = HOURS * 60
const EVENTS_PER_MINUTE = 30
const EVENTS = MINUTES * EVENTS_PER_MINUTE
/** More than what measuring the heap differs by, and less than the events of twelve hours, which are 3 MiB of text and more as objects. */
const HEAP_GROWTH_BYTES_MAX = 2 * 1024 ** 2

const directory = makeTemporaryDirectory()
afterAll(() => directory.remove())

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Emits all through a day in which the service is down, then lets the service come back. */
async function outlastDay(options: Partial<EmitterOptions>) {
  const clock = new VirtualClock(Date.UTC(2026, 0, 31))
  const service = new ScriptedService()
  service.isDown = true
  let dropped = 0
  const emitter = createEmitter({
    ...(options as object),
    url: 'http://meterline.test',
    key: 'k',
    fetch: service.fetch,
    clock,
    requestsMax: 1,
    random: () => 0.5,
    onDropped: ({ events }) => {
      dropped += events.length
    },
  })
  const heap: number[] = []
  for (let minute = 0; minute < MINUTES; minute += 1) {
    for (let each = 0; each < EVENTS_PER_MINUTE; each += 1) emitter.emit({ project_id: 'p1', metric: 'ai_tokens', value: 1 })
    await clock.advance(60_000)
    if (minute % (12 * 60) !== 12 * 60 - 1) continue
    collectGarbage()
    heap.push(process.memoryUsage().heapUsed)
  }
  const requestsOfOutage = service.requests
  service.isDown = false
  const closed = await clock.until(emitter.close({ timeout: 3_600_000 }))
  return { service, closed, dropped, requestsOfOutage, heapGrowthBytes: (heap[1] ?? 0) - (heap[0] ?? 0) }
}

test('after 24 hours without the service the buffered events are delivered once, the rest is reported, and memory was bounded', async () => {
  const bufferEventsMax = 10_000
  const { service, closed, dropped, requestsOfOutage, heapGrowthBytes } = await outlastDay({ bufferEventsMax })
  expect(closed).toEqual({ delivered: bufferEventsMax, rejected: 0, dropped: EVENTS - bufferEventsMax, spooled: 0 })
  expect(dropped).toBe(EVENTS - bufferEventsMax)
  expect([...service.arrivals.values()].filter((times) => times !== 1)).toEqual([])
  expect(service.arrivals.size).toBe(bufferEventsMax)
  // A request every 22.5 s: the emitter does not wear the service out, nor wait for longer.
  expect(requestsOfOutage).toBeGreaterThan((HOURS * 3600) / 30)
  expect(requestsOfOutage).toBeLessThan((HOURS * 3600) / 20)
  expect(heapGrowthBytes).toBeLessThan(HEAP_GROWTH_BYTES_MAX)
})

test('with the spool, after 24 hours without the service every event is delivered once, and memory was bounded', async () => {
  const spool = diskSpool({ folder: directory.path })
  const { service, closed, heapGrowthBytes } = await outlastDay({ bufferEventsMax: 5_000, spool })
  expect(closed).toEqual({ delivered: EVENTS, rejected: 0, dropped: 0, spooled: 0 })
  expect(service.arrivals.size).toBe(EVENTS)
  expect([...service.arrivals.values()].filter((times) => times !== 1)).toEqual([])
  expect(heapGrowthBytes).toBeLessThan(HEAP_GROWTH_BYTES_MAX)
})
