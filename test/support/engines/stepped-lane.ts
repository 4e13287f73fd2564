import type { Lane } from '../../../sql/clickhouse.ts'

/**
 * The same lane, except that `before` and `after` run around each statement, with the number of statements before it. An error that
 * one of them throws is thrown by the statement.
 */
export function stepLane(lane: Lane, before: (step: number) => Promise<void>, after: (step: number) => Promise<void> = async () => {}): Lane {
  let steps = 0
  const stepped = async <T>(work: () => Promise<T>): Promise<T> => {
    const step = steps
    steps += 1
    await before(step)
    const result = await work()
    await after(step)
    return result
  }
  return {
    ...lane,
    query: (query, params) => stepped(() => lane.query(query, params)),
    execute: (statement, params, tag) => stepped(() => lane.execute(statement, params, tag)),
    insert: (insert) => stepped(() => lane.insert(insert)),
  }
}
