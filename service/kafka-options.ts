import type { TopicOptions } from '../ingest/kafka/kafkajs-topic.ts'
import type { Config } from './config.ts'

/** The options of the configured topic; undefined without KAFKA_BROKERS. */
export function topicOptionsOf(config: Config): Omit<TopicOptions, 'logger'> | undefined {
  const { KAFKA_BROKERS, KAFKA_TOPIC, KAFKA_GROUP, KAFKA_SSL, KAFKA_PARTITIONS, KAFKA_SASL_MECHANISM, KAFKA_USERNAME, KAFKA_PASSWORD } = config
  if (KAFKA_BROKERS === undefined) return undefined
  const sasl =
    KAFKA_SASL_MECHANISM === undefined ? undefined : { mechanism: KAFKA_SASL_MECHANISM, username: KAFKA_USERNAME ?? '', password: KAFKA_PASSWORD ?? '' }
  return { brokers: KAFKA_BROKERS, topic: KAFKA_TOPIC, group: KAFKA_GROUP, ssl: KAFKA_SSL, partitions: KAFKA_PARTITIONS, sasl }
}
