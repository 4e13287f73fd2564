import { z } from 'zod'
import { isMetricName } from '../../../metering/metrics.ts'
import { partitionOfProject } from '../../../metering/project-partition.ts'
import type { ClickHouse } from '../../../sql/clickhouse.ts'
import { defineQuery } from '../../../sql/query.ts'
import type { TestEvent } from '../clients/client.ts'
import { LABELLED_METRIC, type MemoryTopic } from './memory-topic.ts'

/**
 * What must be stored of a topic, computed in a plain way from its records: an event counts only in its project's own partition; the
 * first event of an identity by offset counts; a later one with another metric or value is a conflict; a record that is no event
 * is rejected. A correction shares the identities of events, and counts if its event is before it.
 */
export function foldTopic(topic: MemoryTopic, incarnation = 1): { counted: string[]; rejected: string[] } {
  const counted: string[] = []
  const rejected: string[] = []
  topic.partitions.forEach((records, partition) => {
    const firsts = new Map<string, TestRecord>()
    const states = new Map<string, { revision: number; value: number | undefined }>()
    for (const { offset, value } of records) {
      const place = `${topic.name}/${incarnation}/${partition}@${offset}`
      const event = parse(value)
      if (event === undefined) rejected.push(place)
      else if (partitionOfProject(event.project_id, topic.partitions.length) === partition) {
        const identity = JSON.stringify([event.project_id, event.event_id])
        const first = firsts.get(identity)
        const target = event.corrects === undefined ? undefined : firsts.get(JSON.stringify([event.project_id, event.corrects]))
        if (event.corrects !== undefined && (target === undefined || target.corrects !== undefined)) rejected.push(place)
        else if (first === undefined && target !== undefined) {
          firsts.set(identity, event)
          const corrected = JSON.stringify([event.project_id, event.corrects])
          const before = states.get(corrected) ?? { revision: 0, value: Number(target.value) }
          const after = { revision: before.revision + 1, value: event.action === 'void' ? undefined : Number(event.value) }
          states.set(corrected, after)
          const voided = Number(after.value === undefined) - Number(before.value === undefined)
          const change = `${after.revision} ${event.action} ${after.value ?? 0} ${(after.value ?? 0) - (before.value ?? 0)} ${voided}`
          counted.push(`${place} ${identity} corrects ${event.corrects} ${target.metric} ${target.timestamp.slice(0, 10)} ${change}${shownLabels(target)}`)
        } else if (first === undefined) {
          firsts.set(identity, event)
          counted.push(`${place} ${identity} ${event.metric} ${Number(event.value)} ${event.timestamp.slice(0, 10)}${shownLabels(event)}`)
        } else if (!isCopy(event, first)) rejected.push(place)
      }
    }
  })
  return { counted: counted.sort(), rejected: rejected.sort() }
}

/** What is stored of a topic in the same form: raw, the rejected events, and the keys whose rollup is not the recount of raw. */
export async function storedOfTopic({ reads }: ClickHouse, { name }: MemoryTopic) {
  const raw = await reads.query(rawOfTopic, { topic: name })
  const corrections = await reads.query(correctionsOfTopic, { topic: name })
  const rejected = await reads.query(rejectedOfTopic, { topic: name })
  const different = await reads.query(rollupAgainstRaw, { topic: name })
  return {
    counted: [
      ...raw.map(
        (row) => `${row.log}@${row.offset} ${JSON.stringify([row.project_id, row.event_id])} ${row.metric} ${Number(row.value)} ${row.usage_date}${row.labels}`,
      ),
      ...corrections.map((row) => `${row.log}@${row.offset} ${JSON.stringify([row.project_id, row.event_id])} ${row.change}`),
    ].sort(),
    rejected: rejected.map(({ log, offset }) => `${log}@${offset}`).sort(),
    rollup: different,
  }
}

/** The labels that count, as they are stored: those of the first event of an identity. */
function shownLabels({ metric, labels }: TestEvent): string {
  return labels === undefined || metric !== LABELLED_METRIC ? '' : JSON.stringify(labels)
}

/** An event, or a correction, which has a field `corrects`. */
type TestRecord = TestEvent & { readonly corrects?: string; readonly action?: string }

function isCopy(event: TestRecord, first: TestRecord): boolean {
  if (event.corrects !== first.corrects || event.action !== first.action) return false
  return event.action === 'void' || (event.metric === first.metric && Number(event.value) === Number(first.value))
}

function parse(value: Buffer | null): TestRecord | undefined {
  try {
    const event = JSON.parse(value?.toString('utf8') ?? '') as TestRecord
    if (event.corrects !== undefined) return event.corrects === event.event_id ? undefined : event
    return isMetricName(event.metric) && Number(event.value) >= 0 ? event : undefined
  } catch {
    return undefined
  }
}

const OfTopic = z.object({ topic: z.string() })

const rawOfTopic = defineQuery({
  name: 'test_raw_of_topic',
  sql: `SELECT log, offset, project_id, event_id, metric, toString(value) AS value, usage_date, labels FROM raw_usage_events_v1
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
    labels: z.string(),
  }),
})

const correctionsOfTopic = defineQuery({
  name: 'test_corrections_of_topic',
  sql: `SELECT log, offset, project_id, event_id,
          concat('corrects ', corrects, ' ', metric, ' ', toString(usage_date), ' ', toString(revision), ' ', action, ' ', toString(value), ' ', toString(added_total), ' ', toString(added_voided), labels) AS change
        FROM usage_corrections_v1 WHERE startsWith(log, concat({topic: String}, '/'))`,
  params: OfTopic,
  row: z.object({ log: z.string(), offset: z.coerce.number(), project_id: z.string(), event_id: z.string(), change: z.string() }),
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
      SELECT log, project_id, usage_date, metric, labels, toInt64(count()) AS n, sum(toDecimal256(value, 9)) AS s, max(value) AS m, toInt64(0) AS c, toInt64(0) AS v, toInt64(0) AS n2, toDecimal256(0, 9) AS s2, toDecimal128(0, 9) AS m2, toInt64(0) AS c2, toInt64(0) AS v2
      FROM raw_usage_events_v1 WHERE startsWith(log, concat({topic: String}, '/')) GROUP BY ALL
      UNION ALL
      SELECT log, project_id, usage_date, metric, labels, 0, sum(added_total), 0, toInt64(count()), sum(added_voided), 0, 0, 0, 0, 0
      FROM usage_corrections_v1 WHERE startsWith(log, concat({topic: String}, '/')) GROUP BY ALL
      UNION ALL
      SELECT log, project_id, usage_date, metric, labels, 0, 0, 0, 0, 0, sum(events), sum(total), max(peak), sum(corrections), sum(voided)
      FROM project_usage_per_day_v1 WHERE startsWith(log, concat({topic: String}, '/')) GROUP BY ALL
    ) GROUP BY log, project_id, usage_date, metric, labels
    HAVING sum(n) != sum(n2) OR sum(s) != sum(s2) OR max(m) != max(m2) OR sum(c) != sum(c2) OR sum(v) != sum(v2)`,
  params: OfTopic,
  row: z.object({ log: z.string(), project_id: z.string(), usage_date: z.string(), metric: z.string() }),
})
