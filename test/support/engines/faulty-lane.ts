import type { Insert, Lane } from '../../../sql/clickhouse.ts'
import { StoreError } from '../../../sql/errors.ts'

/**
 * What happens to one insert on its way: it never leaves; it lands but its answer is lost; only its first half lands, as
 * when the engine dies among its parts; or it lands after everything else.
 */
export type Fault = 'lost before' | 'answer lost' | 'cut' | 'late'
export const FAULTS: readonly Fault[] = ['lost before', 'answer lost', 'cut', 'late']

export interface FaultyLane {
  readonly lane: Lane
  /** Whether the fault was met. */
  met(): boolean
  /** Sends what was held back, and tells how it fared: undefined when it landed. */
  late(): Promise<string | undefined>[]
}

/** The same lane, but one insert into `table` meets the fault. */
export function faultOnce(lane: Lane, table: string, fault: Fault): FaultyLane {
  let met = false
  const held: Insert[] = []
  const insert = async (each: Insert) => {
    if (each.table !== table || met) return lane.insert(each)
    met = true
    if (fault === 'answer lost') await lane.insert(each)
    if (fault === 'cut') await lane.insert({ ...each, text: firstHalf(String(each.text)) })
    if (fault === 'late') held.push(each)
    throw new StoreError('unavailable', `injected: ${fault}`)
  }
  const arrive = (each: Insert) =>
    lane.insert(each).then(
      () => undefined,
      (error: StoreError) => error.fault,
    )
  return { lane: { ...lane, insert }, met: () => met, late: () => held.map(arrive) }
}

function firstHalf(text: string): string {
  const lines = text.trimEnd().split('\n')
  return `${lines.slice(0, Math.ceil(lines.length / 2)).join('\n')}\n`
}
