import type { Lane } from '../../../sql/clickhouse.ts'

/** The same lane, but `before` runs ahead of each statement, with the number of those before it. What it throws, the statement throws. */
export function stepLane(lane: Lane, before: (step: number) => Promise<void>, after: (step: number) => Promise<void> = async () => {}): Lane {
  let steps = 0
  const stepped = async <T>(work: () => Promise<T>): Promise<T> => {
    const step = steps
    steps += 1
    await before(step)
    const answer = await work()
    await after(step)
    return answer
  }
  return {
    ...lane,
    query: (query, params) => stepped(() => lane.query(query, params)),
    execute: (statement, params, tag) => stepped(() => lane.execute(statement, params, tag)),
    insert: (insert) => stepped(() => lane.insert(insert)),
  }
}
