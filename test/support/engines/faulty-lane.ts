import { z } from 'zod'
import type { ClickHouse, Insert, Lane } from '../../../sql/clickhouse.ts'
import { StoreError } from '../../../sql/errors.ts'
import { defineQuery } from '../../../sql/query.ts'

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

/** The same lane, except that every insert into `table` fails as long as `isFailing` says so. */
export function failingLane(lane: Lane, table: string, isFailing: () => boolean): Lane {
  const insert = async (each: Insert) => {
    if (each.table === table && isFailing()) throw new StoreError('unavailable', 'injected: always')
    return lane.insert(each)
  }
  return { ...lane, insert }
}

/** How often the lease of a name was acquired. */
export async function acquisitionsOf({ control }: ClickHouse, name: string): Promise<number> {
  const [lease] = await control.query(acquisitions, { name })
  return lease?.acquisitions ?? 0
}

const acquisitions = defineQuery({
  name: 'test_acquisitions',
  sql: 'SELECT sum(acquisitions) AS acquisitions FROM leases_v1 WHERE name = {name: String}',
  params: z.object({ name: z.string() }),
  row: z.object({ acquisitions: z.coerce.number() }),
})
