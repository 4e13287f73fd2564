import kafkajs, { type Admin } from 'kafkajs'
import { TIMESTAMP_AHEAD_MS_MAX } from '../../metering/event.ts'
import type { Logger } from '../../metering/logger.ts'
import { MS_PER_DAY } from '../../metering/timestamp.ts'

/** Warns of settings under which an acknowledged event can be lost. The operator may choose them, but must know. */
export async function warnOfSettings(admin: Admin, { topic, logger }: { readonly topic: string; readonly logger: Logger }): Promise<void> {
  const names = [
    'retention.ms',
    'min.insync.replicas',
    'cleanup.policy',
    'unclean.leader.election.enable',
    'max.message.bytes',
    'message.timestamp.type',
    'message.timestamp.after.max.ms',
  ]
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: names }],
  })
  const settings = new Map(resources.flatMap(({ configEntries }) => configEntries.map(({ configName, configValue }) => [configName, configValue])))
  const retentionMs = Number(settings.get('retention.ms'))
  if (retentionMs >= 0 && retentionMs < RETENTION_MS_MIN) {
    const days = RETENTION_MS_MIN / MS_PER_DAY
    logger.warn(
      { topic, retentionMs },
      `the topic keeps events for less than ${days} days: an outage longer than its retention loses events. Raise retention.ms`,
    )
  }
  if (Number(settings.get('min.insync.replicas')) < 2)
    logger.warn({ topic }, 'min.insync.replicas is below 2: acks=all is satisfied by one copy, and losing that broker loses acknowledged events')
  if (settings.get('cleanup.policy')?.includes('compact') === true)
    logger.warn({ topic }, 'cleanup.policy compacts the topic: of several events with one key only the last would be kept. Set it to delete')
  if (settings.get('unclean.leader.election.enable') === 'true')
    logger.warn(
      { topic },
      'unclean.leader.election.enable is true: a replica that lacks acknowledged events may become the leader, which loses them. Set it to false',
    )
  if (Number(settings.get('max.message.bytes')) < RECORD_BYTES_MAX)
    logger.warn({ topic }, `max.message.bytes is below ${RECORD_BYTES_MAX}: rejected events as large as that cannot be kept. Raise it`)
  // The broker then rejects records from the future, which is as good as its own time.
  const aheadMsMax = Number(settings.get('message.timestamp.after.max.ms') ?? Number.POSITIVE_INFINITY)
  if (settings.get('message.timestamp.type') === 'CreateTime' && aheadMsMax > TIMESTAMP_AHEAD_MS_MAX)
    logger.warn(
      { topic },
      `message.timestamp.type is CreateTime: whether an event is in the future is judged by the clock of its own producer. Set it to LogAppendTime, or message.timestamp.after.max.ms to ${TIMESTAMP_AHEAD_MS_MAX}`,
    )
}

const RETENTION_MS_MIN = 7 * MS_PER_DAY
/** An event of 64 KiB with its headers. */
const RECORD_BYTES_MAX = 128 * 1024
