import type { Insert, Lane } from '../../../sql/clickhouse.ts'
import { StoreError } from '../../../sql/errors.ts'

/**
 * What happens to one insert: it is never sent; it is stored but its response is lost; only its first half is stored, as when the
 * engine dies between its parts; or it arrives after everything else.
 */
export type Fault = 'not sent' | 'response lost' | 'half stored' | 'late'
export const FAULTS: readonly Fault[] = ['not sent', 'response lost', 'half stored', 'late']

export interface FaultyLane {
  readonly lane: Lane
  /** Whether the fault has occurred. */
  occurred(): boolean
  /**
   * Sends the delayed inserts, each once, however often this is called: the client repeats no request, and a repeated one would
   * count twice. Each result is undefined if the insert was stored, else the fault that rejected it.
   */
  sendLate(): Promise<string | undefined>[]
}

/** The same lane, except that the first insert into `table` has the fault. */
export function faultOnce(lane: Lane, table: string, fault: Fault): FaultyLane {
  let occurred = false
  const delayed: Insert[] = []
  const insert = async (each: Insert) => {
    if (each.table !== table || occurred) return lane.insert(each)
    occurred = true
    if (fault === 'response lost') await lane.insert(each)
    if (fault === 'half stored') await lane.insert({ ...each, text: firstHalf(String(each.text)) })
    if (fault === 'late') delayed.push(each)
    throw new StoreError('unavailable', `injected: ${fault}`)
  }
  const send = (each: Insert) =>
    lane.insert(each).then(
      () => undefined,
      (error: StoreError) => error.fault,
    )
  return { lane: { ...lane, insert }, occurred: () => occurred, sendLate: () => delayed.splice(0).map(send) }
}

function firstHalf(text: string): string {
  const lines = text.trimEnd().split('\n')
  return `${lines.slice(0, Math.ceil(lines.length / 2)).join('\n')}\n`
}
