import { z } from 'zod'
import { SpikeData } from '../../contract/spikes.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'

/** A spike as it was announced. `atMs` is when it was noticed, in ms since 1970. */
export interface AnnouncedSpike {
  readonly messageId: string
  readonly atMs: number
  readonly data: SpikeData
}

/** The last spike of a page. */
export interface PlaceOfSpike {
  readonly day: string
  readonly projectId: string
  readonly metric: string
}

export interface SpikeFilter {
  readonly partnerId?: string | undefined
  readonly projectId?: string | undefined
  readonly metric?: string | undefined
  /** Days, both inclusive. */
  readonly from?: string | undefined
  readonly to?: string | undefined
}

/** Reads the stored messages: the newest day first, then by project and metric. Throws StoreError. */
export async function listSpikes(
  { reads }: Pick<ClickHouse, 'reads'>,
  { partnerId = '', projectId = '', metric, from = '', to = '' }: SpikeFilter,
  { after, limit }: { after: PlaceOfSpike | undefined; limit: number },
): Promise<AnnouncedSpike[]> {
  const place = { afterDay: after?.day ?? '', afterProject: after?.projectId ?? '', afterMetric: after?.metric ?? '' }
  const rows = await reads.query(announcedSpikes, { partnerId, projectId, metric: metric ?? '', from, to, ...place, limit })
  return rows.map(({ messageId, atMs, data }) => ({ messageId, atMs, data: SpikeData.parse(JSON.parse(data)) }))
}

/** A message is never changed, so its copies, which a repeated insert may leave, are equal. */
const announcedSpikes = defineQuery({
  name: 'announced_spikes',
  sql: `
    WITH
      JSONExtractString(body, 'data', 'day') AS day,
      JSONExtractString(body, 'data', 'project_id') AS project,
      JSONExtractString(body, 'data', 'metric') AS used
    SELECT message_id AS messageId, toUnixTimestamp64Milli(created_at) AS atMs, JSONExtractRaw(body, 'data') AS data
    FROM webhook_messages_v1
    WHERE subject = '' AND type = 'usage.spike' AND {partnerId: String} IN ('', partner_id) AND {projectId: String} IN ('', project)
      AND {metric: String} IN ('', used) AND day >= {from: String} AND ({to: String} = '' OR day <= {to: String})
      AND ({afterDay: String} = '' OR day < {afterDay: String}
        OR (day = {afterDay: String} AND (project, used) > ({afterProject: String}, {afterMetric: String})))
    ORDER BY day DESC, project, used LIMIT 1 BY message_id LIMIT {limit: UInt64}`,
  params: z.object({
    partnerId: z.string(),
    projectId: z.string(),
    metric: z.string(),
    from: z.string(),
    to: z.string(),
    afterDay: z.string(),
    afterProject: z.string(),
    afterMetric: z.string(),
    limit: z.number(),
  }),
  row: z.object({ messageId: z.string(), atMs: z.coerce.number(), data: z.string() }),
})
