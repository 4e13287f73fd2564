// Preloaded into a process (node --import). As soon as the process gets SIGUSR2, its system clock is as many ms ahead as the file
// CLOCK_FILE says, or behind. The monotonic clock and the timers go on as they are, as on a host whose clock is set.
import { readFileSync } from 'node:fs'

const SystemDate = Date
let aheadMs = 0
process.on('SIGUSR2', () => {
  aheadMs = Number(readFileSync(process.env.CLOCK_FILE, 'utf8'))
})

const now = () => SystemDate.now() + aheadMs
globalThis.Date = new Proxy(SystemDate, {
  construct: (target, parts, created) => Reflect.construct(target, parts.length === 0 ? [now()] : parts, created),
  apply: (target) => new target(now()).toString(),
  get: (target, name) => (name === 'now' ? now : Reflect.get(target, name)),
})
