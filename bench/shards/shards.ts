import { openBenchTopic } from '../bench-topic.ts'
import { type Report, type Run, roundsOf } from '../report.ts'
import { SHARDS_PARTITIONS, ShardServers } from './sharded-stores.ts'
import { SHARDS_DAYS } from './shards-calls.ts'
import { measureShardsIngestion } from './shards-ingestion.ts'
import { measureShardsQuestions } from './shards-questions.ts'
import { shardsReport } from './shards-report.ts'

const EVENTS = 600_000
const EVENTS_FULL = 6_000_000
/** Odd, so that a median is a value of one round. */
const ROUNDS = 3
const REQUESTS = 150
const REQUESTS_SMALL = 60

/** Measures the same events and questions with one server, and with two and three shards, all on this machine. */
export async function measureShards(run: Run): Promise<Report> {
  const events = run.events ?? (run.full ? EVENTS_FULL : EVENTS)
  const topic = await openBenchTopic(run.closers, SHARDS_PARTITIONS)
  const servers = await ShardServers.start(run.closers)
  run.progress(`producing ${events} events`)
  await topic.fill(events, { first: 0, eventsPerDay: Math.ceil(events / SHARDS_DAYS.count) })
  const ingestion = await measureShardsIngestion(run, servers, { topic, events, rounds: roundsOf(run, ROUNDS) })
  const requests = run.small ? REQUESTS_SMALL : REQUESTS
  const questions = await measureShardsQuestions(run, servers, { stores: ingestion.stores, topic, requests })
  return shardsReport({ events, ingestion, questions })
}
