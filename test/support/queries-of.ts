import { AsyncLocalStorage } from 'node:async_hooks'
import { tracingChannel } from 'node:diagnostics_channel'
import { QUERY_CHANNEL } from '../../sql/clickhouse.ts'

/** Runs `work` and returns the names of its queries to the store, in the order in which they started. */
export async function queriesOf(work: () => Promise<unknown>): Promise<string[]> {
  const names: string[] = []
  const ours = new AsyncLocalStorage<true>()
  const note = (message: unknown) => {
    if (ours.getStore() === true) names.push((message as { name: string }).name)
  }
  const { start } = tracingChannel(QUERY_CHANNEL)
  start.subscribe(note)
  try {
    await ours.run(true, work)
  } finally {
    start.unsubscribe(note)
  }
  return names
}
