import { type Month, periodOfMonth } from '../../metering/month.ts'
import type { Quantity } from '../../metering/quantity.ts'
import { instantOrNull } from '../../metering/timestamp.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import type { Endpoint } from '../webhooks/endpoints.ts'
import { type Message, messageBody, messageId } from '../webhooks/messages.ts'
import { recipientsOf } from '../webhooks/recipients.ts'
import { readLargestProjects } from './largest-projects.ts'
import type { LevelState } from './level-states.ts'
import { dayOfCrossing, peakDayOf, type UsageDays } from './month-usage.ts'
import type { Threshold } from './thresholds.ts'

/** A level of a threshold that changes its state in a month. */
export interface Crossing extends LevelState {
  readonly threshold: Threshold
  readonly month: Month
  readonly level: string
  readonly levelValue: Quantity
  /** The usage of the month. */
  readonly value: Quantity
  readonly days: UsageDays
}

export interface MessageContext {
  readonly clickhouse: ClickHouse
  readonly endpoints: readonly Endpoint[]
  readonly publicUrl: string
  readonly asOfMs: number | null
  readonly nowMs: number
}

/** A message for each crossing of one threshold in one month, with everything that is needed to act. Throws StoreError. */
export async function transitionMessages(context: MessageContext, crossings: readonly Crossing[]): Promise<Message[]> {
  const [first] = crossings
  if (first === undefined) return []
  const projects = await largestProjectsOf(context.clickhouse, first)
  return crossings.map((crossing) => transitionMessage(context, crossing, projects))
}

type LargestProjects = Awaited<ReturnType<typeof readLargestProjects>>

/** None for the threshold of a project. */
async function largestProjectsOf(clickhouse: ClickHouse, { threshold, month, days }: Crossing): Promise<LargestProjects> {
  const { partnerId, projectId, metric, kind } = threshold
  if (projectId !== '') return []
  return readLargestProjects(clickhouse, { partnerId, metric, month, peakDay: kind === 'peak' ? peakDayOf(days) : undefined })
}

/** The message, and the transition that is stored with it. */
function transitionMessage(context: MessageContext, crossing: Crossing, projects: LargestProjects): Message {
  const { threshold, month, level, state, number } = crossing
  const { id: thresholdId, partnerId, setBy } = threshold
  const type = state === 'alarm' ? 'usage.threshold_reached' : 'usage.threshold_resolved'
  return {
    id: messageId(['threshold', thresholdId, level, month, number]),
    type,
    partnerId,
    endpointIds: recipientsOf(context.endpoints, { type, partnerId, sinceMs: Number.POSITIVE_INFINITY, onlyOf: setBy }),
    body: messageBody(type, context.nowMs, dataOf(context, crossing, projects)),
    createdMs: context.nowMs,
    transition: { thresholdId, level, month, number, state },
  }
}

function dataOf(
  { publicUrl, asOfMs }: MessageContext,
  { threshold, month, level, levelValue, value, days, state, number }: Crossing,
  projects: LargestProjects,
) {
  const { id, partnerId, projectId, metric, unit } = threshold
  // A month that is closed is not evaluated, so its usage is provisional here.
  const billing_status = 'provisional'
  return {
    threshold_id: id,
    partner_id: partnerId,
    project_id: projectId === '' ? null : projectId,
    metric,
    unit,
    month,
    level: { name: level, value: levelValue },
    state,
    number,
    value,
    day: state === 'alarm' ? dayOfCrossing(threshold, days, levelValue) : null,
    as_of: instantOrNull(asOfMs),
    billing_status,
    largest_projects: projects.map(({ projectId: project, name, value: used }) => ({ project_id: project, name, value: used })),
    dashboard: `${publicUrl}/#/${pageOf(threshold)}?month=${month}`,
    curl: curlOf(publicUrl, threshold, month),
  }
}

/** The page of the usage in the dashboard, for who has set the threshold. */
function pageOf({ setBy, partnerId, projectId }: Threshold): string {
  const page = projectId === '' ? 'usage' : `projects/${encodeURIComponent(projectId)}`
  return setBy === '' ? `partners/${encodeURIComponent(partnerId)}/${page}` : page
}

/** A command that reads the usage, with the name of a variable instead of the credential. */
function curlOf(publicUrl: string, { setBy, partnerId, projectId }: Threshold, month: Month): string {
  const { first, last } = periodOfMonth(month)
  const query = `start_date=${first}&end_date=${last}`
  const [partner, project] = [partnerId, projectId].map(encodeURIComponent)
  if (setBy !== '') {
    const path = projectId === '' ? `${partner}/usage` : `${partner}/${project}/usage`
    return `curl -H "X-Partnership-Secret: $METERLINE_PARTNER_SECRET" '${publicUrl}/partnership/v1/${path}?${query}'`
  }
  const path = projectId === '' ? `partners/${partner}/usage` : `projects/${project}/usage`
  return `curl -H "Authorization: Bearer $METERLINE_ADMIN_TOKEN" '${publicUrl}/admin/v1/${path}?${query}'`
}
