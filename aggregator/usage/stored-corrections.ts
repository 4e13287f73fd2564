import { z } from 'zod'
import { CORRECTION_ACTIONS } from '../../metering/correction.ts'
import type { ClickHouse, Lane } from '../../sql/clickhouse.ts'
import { defineQuery } from '../../sql/query.ts'
import { UNIQUE_METRIC } from '../../sql/usage-states.ts'

/** A correction as it counted, with what its event counted before and after it. */
export interface StoredCorrection extends Omit<z.output<typeof StoredCorrectionRow>, 'isOfText'> {
  /** The value of an event of a metric of the kind `unique`; '' for others. */
  readonly text: string
}

export const StoredCorrectionRow = z.object({
  projectId: z.string(),
  /** Of the correction itself. */
  eventId: z.string(),
  corrects: z.string(),
  day: z.string(),
  metric: z.string(),
  action: z.enum(CORRECTION_ACTIONS),
  reason: z.string(),
  /** Null while the event was voided. */
  before: z.string().nullable(),
  /** Null for a void. */
  after: z.string().nullable(),
  receivedMs: z.coerce.number(),
  /** The event is of a metric of the kind `unique`. */
  isOfText: z.number(),
})

/**
 * The corrections of the events that meet an SQL condition on project_id, usage_date and metric. The value before follows from the stored
 * difference, so raw is not read: an event that counted before has another value by it, one that was voided had none.
 */
export function correctionsWhere(where: string): string {
  return `SELECT project_id AS projectId, event_id AS eventId, corrects, usage_date AS day, metric, action, reason,
          if(action = 'void', toDecimal256(0, 9), toDecimal256(value, 9)) AS value_after,
          if(added_voided = -1 OR (action = 'void' AND added_voided = 0), NULL, toString(value_after - added_total)) AS before,
          if(action = 'void', NULL, toString(value_after)) AS after,
          toUnixTimestamp64Milli(received_at) AS receivedMs, toUInt8(${UNIQUE_METRIC}) AS isOfText
        FROM usage_corrections_v1 FINAL WHERE corrects != '' AND ${where}`
}

export interface CorrectionsPage {
  readonly projectId: string
  /** Days of the corrected events; `end` is exclusive. */
  readonly from: string
  readonly end: string
  /** The last correction of the previous page; undefined for the first page. */
  readonly after: { readonly receivedMs: number; readonly eventId: string; readonly corrects: string } | undefined
  readonly limit: number
}

/** The corrections of a project's events of some days, the last received first. Throws StoreError. */
export async function listCorrections({ reads }: Pick<ClickHouse, 'reads'>, { after, ...page }: CorrectionsPage): Promise<StoredCorrection[]> {
  const rows = await reads.query(correctionsOfProject, {
    ...page,
    isFirst: after === undefined ? 1 : 0,
    afterMs: after?.receivedMs ?? 0,
    afterId: after?.eventId ?? '',
    afterEvent: after?.corrects ?? '',
  })
  return withTexts(reads, rows)
}

/** Reads the texts of the events of metrics of the kind `unique`. Others have none, and then nothing is read. Throws StoreError. */
export async function withTexts(lane: Pick<Lane, 'query'>, rows: readonly z.output<typeof StoredCorrectionRow>[]): Promise<StoredCorrection[]> {
  const ofText = rows.filter(({ isOfText }) => isOfText === 1)
  const different = (of: (row: (typeof rows)[number]) => string) => [...new Set(ofText.map(of))]
  const params = { projects: different(({ projectId }) => projectId), events: different(({ corrects }) => corrects), days: different(({ day }) => day) }
  const found = ofText.length === 0 ? [] : await lane.query(textsOfEvents, params)
  return rows.map(({ isOfText: _, ...row }) => {
    const text = found.find(({ projectId, eventId }) => projectId === row.projectId && eventId === row.corrects)?.text
    return { ...row, text: text === undefined ? '' : text }
  })
}

const textsOfEvents = defineQuery({
  name: 'texts_of_corrected_events',
  sql: `SELECT project_id AS projectId, event_id AS eventId, text FROM raw_usage_events_v1 FINAL
        WHERE project_id IN {projects: Array(String)} AND event_id IN {events: Array(String)} AND usage_date IN {days: Array(Date)}`,
  params: z.object({ projects: z.array(z.string()), events: z.array(z.string()), days: z.array(z.string()) }),
  row: z.object({ projectId: z.string(), eventId: z.string(), text: z.string() }),
})

const correctionsOfProject = defineQuery({
  name: 'corrections_of_project',
  sql: `SELECT * EXCEPT value_after FROM (
          ${correctionsWhere('project_id = {projectId: String} AND usage_date >= {from: Date} AND usage_date < {end: Date}')}
        )
        WHERE {isFirst: UInt64} = 1 OR receivedMs < {afterMs: Int64} OR (receivedMs = {afterMs: Int64} AND (eventId, corrects) > ({afterId: String}, {afterEvent: String}))
        ORDER BY receivedMs DESC, eventId, corrects LIMIT {limit: UInt64}`,
  params: z.object({
    projectId: z.string(),
    from: z.string(),
    end: z.string(),
    isFirst: z.number(),
    afterMs: z.number(),
    afterId: z.string(),
    afterEvent: z.string(),
    limit: z.number(),
  }),
  row: StoredCorrectionRow,
})
