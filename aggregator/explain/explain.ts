import type { ProjectStatus } from '../../contract/fields.ts'
import { METRICS, type MetricKind, type MetricName } from '../../metering/metrics.ts'
import { type Month, monthOf } from '../../metering/month.ts'
import type { Period } from '../../metering/period.ts'
import type { Quantity } from '../../metering/quantity.ts'
import { readListedProjects } from '../../registry/projects/list-projects.ts'
import type { ClickHouse, Lane } from '../../sql/clickhouse.ts'
import { readStatementHeaders } from '../statements/headers.ts'
import { readPartnershipUsage } from '../usage/partnership-usage.ts'
import { readProjectUsage } from '../usage/project-usage.ts'
import {
  type ContributingDay,
  type EvidenceExtent,
  type ExplainedNumber,
  type ProjectShare,
  readExtent,
  readLargestDays,
  readLargestEvents,
  readLargestProjects,
  readLateEvents,
  type StoredEvent,
} from './explain-evidence.ts'

/** How one number of a usage answer came to be. Quantities are exact decimals. */
export interface Explanation {
  readonly asOfMs: number | null
  readonly metric: MetricName
  readonly kind: MetricKind
  readonly unit: string
  /** One plain sentence. */
  readonly rule: string
  /** The number itself, read as the usage answer reads it. */
  readonly value: Quantity
  /** Of a peak the day it was reached on, the earliest on ties; null without events, and for a cumulative metric. */
  readonly peakDay: string | null
  /** All events of the period, as raw holds them. */
  readonly events: number
  readonly firstEventMs: number | null
  readonly lastEventMs: number | null
  /** The largest CONTRIBUTORS_MAX of each. */
  readonly contributors: { readonly projects: readonly ContributingProject[] } | ProjectContributors
  readonly late: LateArrivals
}

export interface ProjectContributors {
  readonly days: readonly ContributingDay[]
  readonly events: readonly StoredEvent[]
}

/** `value` is, of a peak, that of the partnership's peak day: so that all projects add up to the number. */
export type ContributingProject = ProjectShare & { readonly name: string; readonly status: ProjectStatus }

/** What was received when its UTC day was over. */
export interface LateArrivals {
  readonly events: number
  /** How far they moved the number: the number less what it would be without them. */
  readonly value: Quantity
  /** The last LATE_EVENTS_MAX received, the newest first. */
  readonly latest: readonly LateEvent[]
}

/** `afterClosing`: the month of its day was closed when it was received, so it is billed as an adjustment. */
export type LateEvent = StoredEvent & { readonly afterClosing: boolean }

export type ExplainOutcome = { status: 'explained'; explanation: Explanation } | { status: 'unknown_project' }

/** A lane of its own: going through raw takes seconds for a large partner, and neither usage nor a closing may wait behind it. */
export interface Explaining {
  readonly clickhouse: ClickHouse
  readonly lane: Lane
}

/** A number of the partnership's summary. Throws StoreError. */
export async function explainPartnership({ clickhouse, lane }: Explaining, partnerId: string, metric: MetricName, period: Period): Promise<Explanation> {
  const number: ExplainedNumber = { of: { partnerId }, metric, period }
  const { asOfMs, summary, peakDays } = await readPartnershipUsage(clickhouse, partnerId, period)
  const peakDay = peakDays.get(metric) ?? null
  const extent = await readExtent(lane, number)
  const shares = await readLargestProjects(lane, number, peakDay)
  return {
    asOfMs,
    ...ruleOf('partnership', metric),
    value: summary[metric],
    peakDay,
    ...countsOf(extent),
    contributors: { projects: await named(clickhouse, partnerId, shares) },
    late: await lateArrivals({ clickhouse, lane }, number, extent, partnerId),
  }
}

/**
 * A number of a project's summary. One that nobody registered is explained as well when it has events: what is not billed to
 * anybody is what an operator asks about. Throws StoreError.
 */
export async function explainProject({ clickhouse, lane }: Explaining, asked: ProvisionedProject, metric: MetricName, period: Period): Promise<ExplainOutcome> {
  const { projectId, partnerId } = asked
  const number: ExplainedNumber = { of: { projectId }, metric, period }
  const { asOfMs, summary, lastActivityMs } = await readProjectUsage(clickhouse, projectId, period)
  if (partnerId === undefined && lastActivityMs === null) return { status: 'unknown_project' }
  const extent = await readExtent(lane, number)
  const days = await readLargestDays(lane, number)
  const explanation: Explanation = {
    asOfMs,
    ...ruleOf('project', metric),
    value: summary[metric],
    // The greatest stands on top, of equals the earliest.
    peakDay: METRICS[metric].kind === 'peak' ? (days[0]?.day ?? null) : null,
    ...countsOf(extent),
    contributors: { days, events: await readLargestEvents(lane, number) },
    late: await lateArrivals({ clickhouse, lane }, number, extent, partnerId),
  }
  return { status: 'explained', explanation }
}

export interface ProvisionedProject {
  readonly projectId: string
  /** Whose it is; undefined when nobody registered it. */
  readonly partnerId: string | undefined
}

function ruleOf(of: 'project' | 'partnership', metric: MetricName) {
  const { kind, unit } = METRICS[metric]
  return { metric, kind, unit, rule: `${metric} is ${RULES[of][kind]}` }
}

const RULES: Record<'project' | 'partnership', Record<MetricKind, string>> = {
  project: {
    peak: 'a peak: the greatest sample of each UTC day, then the greatest of the days.',
    cumulative: 'cumulative: the sum of the values of all events of the period.',
  },
  partnership: {
    peak: 'a peak: for each UTC day the greatest sample of every project, deleted ones included, added up over the projects; then the greatest of the days.',
    cumulative: 'cumulative: the sum of the values of all events of the period, over all projects, deleted ones included.',
  },
}

function countsOf({ events, firstMs, lastMs }: EvidenceExtent) {
  return { events, firstEventMs: firstMs, lastEventMs: lastMs }
}

async function named(clickhouse: ClickHouse, partnerId: string, shares: readonly ProjectShare[]): Promise<ContributingProject[]> {
  const ids = shares.map(({ projectId }) => projectId)
  const known = await readListedProjects(clickhouse, partnerId, ids)
  return shares.map((share) => {
    const project = known.get(share.projectId)
    if (project === undefined) throw new Error(`The project ${share.projectId} has usage of partner ${partnerId} and cannot be read.`)
    return { ...share, name: project.name, status: project.status }
  })
}

async function lateArrivals(
  { clickhouse, lane }: Explaining,
  number: ExplainedNumber,
  { lateEvents, lateValue }: EvidenceExtent,
  partnerId: string | undefined,
): Promise<LateArrivals> {
  const headers = partnerId === undefined ? [] : await readStatementHeaders(clickhouse, partnerId)
  const closedMs = new Map<Month, number>(headers.map((header) => [header.month, header.closedMs]))
  const isAfterClosing = ({ day, receivedMs }: StoredEvent) => receivedMs > (closedMs.get(monthOf(day)) ?? Number.POSITIVE_INFINITY)
  const latest = await readLateEvents(lane, number)
  return { events: lateEvents, value: lateValue, latest: latest.map((event) => ({ ...event, afterClosing: isAfterClosing(event) })) }
}
