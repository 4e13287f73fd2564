import { z } from 'zod'
import { partitionOfProject } from '../../../ingest/kafka/project-partition.ts'
import { isMetricName } from '../../../metering/metrics.ts'
import type { ClickHouse } from '../../../sql/clickhouse.ts'
import { defineQuery } from '../../../sql/query.ts'
import type { TestEvent } from '../clients/client.ts'
import type { MemoryTopic } from './memory-topic.ts'

/**
 * What must be stored of a topic, computed in a plain way from its records: an event counts only in its project's own partition; the
 * first event of an identity by offset counts; a later one with another metric or value is a conflict; a record that is no event
 * is rejected.
 */
export function foldTopic(topic: MemoryTopic, incarnation = 1): { counted: string[]; rejected: string[] } {
  const counted: string[] = []
  const rejected: string[] = []
  topic.partitions.forEach((records, partition) => {
    const firsts = new Map<string, TestEvent>()
    for (const { offset, value } of records) {
      const place = `${topic.name}/${incarnation}/${partition}@${offset}`
      const event = parse(value)
      if (event === undefined) rejected.push(place)
      else if (partitionOfProject(event.project_id, topic.partitions.length) === partition) {
        const identity = JSON.stringify([event.project_id, event.event_id])
        const first = firsts.get(identity)
        if (first === undefined) {
          firsts.set(identity, event)
          counted.push(`${place} ${identity} ${event.metric} ${Number(event.value)} ${event.timestamp.slice(0, 10)}`)
        } else if (first.metric !== event.metric || Number(first.value) !== Number(event.value)) rejected.push(place)
      }
    }
  })
  return { counted: counted.sort(), rejected: rejected.sort() }
}

/** What is stored of a topic in the same form: raw, the rejected events, and the keys whose rollup is not the recount of raw. */
export async function storedOfTopic({ reads }: ClickHouse, { name }: MemoryTopic) {
  const raw = await reads.query(rawOfTopic, { topic: name })
  const rejected = await reads.query(rejectedOfTopic, { topic: name })
  const different = await reads.query(rollupAgainstRaw, { topic: name })
  return {
    counted: raw
      .map((row) => `${row.log}@${row.offset} ${JSON.stringify([row.project_id, row.event_id])} ${row.metric} ${Number(row.value)} ${row.usage_date}`)
      .sort(),
    rejected: rejected.map(({ log, offset }) => `${log}@${offset}`).sort(),
    rollup: different,
  }
}

function parse(value: Buffer | null): TestEvent | undefined {
  try {
    const event = JSON.parse(value?.toString('utf8') ?? '') as TestEvent
    return isMetricName(event.metric) && Number(event.value) >= 0 ? event : undefined
  } catch {
    return undefined
  }
}

const OfTopic = z.object({ topic: z.string() })

const rawOfTopic = defineQuery({
  name: 'test_raw_of_topic',
  sql: `SELECT log, offset, project_id, event_id, metric, toString(value) AS value, usage_date FROM raw_usage_events_v1
        WHERE startsWith(log, concat({topic: String}, '/'))`,
  params: OfTopic,
  row: z.object({
    log: z.string(),
    offset: z.coerce.number(),
    project_id: z.string(),
    event_id: z.string(),
    metric: z.string(),
    value: z.string(),
    usage_date: z.string(),
  }),
})

const rejectedOfTopic = defineQuery({
  name: 'test_rejected_of_topic',
  sql: `SELECT log, offset FROM rejected_events_v1 FINAL WHERE startsWith(log, concat({topic: String}, '/'))`,
  params: OfTopic,
  row: z.object({ log: z.string(), offset: z.coerce.number() }),
})

const rollupAgainstRaw = defineQuery({
  name: 'test_rollup_against_raw',
  sql: `
    SELECT log, project_id, usage_date, metric FROM (
      SELECT log, project_id, usage_date, metric, toInt64(count()) AS n, sum(toDecimal256(value, 9)) AS s, max(value) AS m, toInt64(0) AS n2, toDecimal256(0, 9) AS s2, toDecimal128(0, 9) AS m2
      FROM raw_usage_events_v1 WHERE startsWith(log, concat({topic: String}, '/')) GROUP BY ALL
      UNION ALL
      SELECT log, project_id, usage_date, metric, 0, 0, 0, sum(events), sum(total), max(peak)
      FROM project_usage_per_day_v1 WHERE startsWith(log, concat({topic: String}, '/')) GROUP BY ALL
    ) GROUP BY log, project_id, usage_date, metric
    HAVING sum(n) != sum(n2) OR sum(s) != sum(s2) OR max(m) != max(m2)`,
  params: OfTopic,
  row: z.object({ log: z.string(), project_id: z.string(), usage_date: z.string(), metric: z.string() }),
})
