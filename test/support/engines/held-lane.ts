import type { Lane } from '../../../sql/clickhouse.ts'
import { stepLane } from './stepped-lane.ts'

export interface HeldLane {
  readonly lane: Lane
  /** How many statements have begun to wait. */
  waiting(): number
  release(): void
}

/** The same lane, except that its statements wait until it is released, as behind one that takes hours. */
export function holdLane(lane: Lane): HeldLane {
  let waiting = 0
  let release = () => {}
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  const wait = () => {
    waiting += 1
    return released
  }
  return { lane: stepLane(lane, wait), waiting: () => waiting, release: () => release() }
}
