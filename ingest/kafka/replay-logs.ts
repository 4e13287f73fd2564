import type { ClickHouse } from '../../sql/clickhouse.ts'
import { logsOf, pinIncarnation } from './incarnation.ts'
import { type Replay, requestReplay } from './replays.ts'
import type { LogChangeOutcome, LogChoice } from './reset-logs.ts'
import type { Topic } from './topic.ts'

/** Requests that the owners of the chosen logs read them again, from an offset or from a time. Throws StoreError, KafkaUnavailable. */
export async function replayLogs(
  clickhouse: ClickHouse,
  topic: Topic,
  { choice, from }: { choice: LogChoice; from: { offset: number } | { timeMs: number } },
): Promise<LogChangeOutcome<Replay[]>> {
  const incarnation = await pinIncarnation(clickhouse, topic)
  const offsets = 'timeMs' in from ? await topic.offsetsAt(from.timeMs) : undefined
  const replays: Replay[] = []
  for (const [partition, log] of logsOf(incarnation).entries()) {
    if (choice !== 'all' && choice !== log) continue
    const fromOffset = 'offset' in from ? from.offset : offsets?.[partition]
    if (fromOffset !== undefined) replays.push(await requestReplay(clickhouse.control, { log, fromOffset }))
  }
  return replays.length === 0
    ? { status: 'rejected', reason: `There is no log ${choice}. List the logs with "meterline log list".` }
    : { status: 'done', result: replays }
}
