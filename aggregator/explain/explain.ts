import type { ProjectStatus } from '../../contract/lists.ts'
import { ruleOf } from '../../metering/metric-rules.ts'
import type { MeasuredMetric } from '../../metering/metrics.ts'
import { type Month, monthOf } from '../../metering/month.ts'
import type { Period } from '../../metering/period.ts'
import type { Quantity } from '../../metering/quantity.ts'
import { readListedProjects } from '../../registry/projects/list-projects.ts'
import type { ClickHouse, Lane } from '../../sql/clickhouse.ts'
import { readStatementHeaders } from '../statements/headers.ts'
import { readPartnershipUsage } from '../usage/partnership-usage.ts'
import { readProjectUsage } from '../usage/project-usage.ts'
import type { StoredCorrection } from '../usage/stored-corrections.ts'
import { valueOfMetric } from '../usage/usage-quantities.ts'
import {
  type ContributingDay,
  type EvidenceSummary,
  type ExplainedNumber,
  type ProjectShare,
  readCorrections,
  readEvidenceSummary,
  readLargestDays,
  readLargestEvents,
  readLargestProjects,
  readLateEvents,
  type StoredEvent,
} from './explain-evidence.ts'

/** Explains one number of a usage answer. Quantities are exact decimals. */
export interface Explanation extends MeasuredMetric {
  readonly asOfMs: number | null
  /** How the metric is computed, in one sentence. */
  readonly rule: string
  /** The number itself, read in the same way as for the usage answer. */
  readonly value: Quantity
  /** The day on which a peak was reached, the earliest on ties; null without events and for a cumulative metric. */
  readonly peakDay: string | null
  /** The number of events of the period that count. */
  readonly events: number
  readonly firstEventMs: number | null
  readonly lastEventMs: number | null
  /** At most CONTRIBUTORS_MAX of each, the largest. */
  readonly contributors: { readonly projects: readonly ContributingProject[] } | ProjectContributors
  readonly late: LateArrivals
  readonly corrections: AppliedCorrections
}

/** What was changed of the events of the period since they were sent. */
export interface AppliedCorrections {
  readonly all: number
  readonly voids: number
  /** At most CORRECTIONS_MAX, the last received first. */
  readonly latest: readonly (StoredCorrection & AfterClosing)[]
}

/** `afterClosing`: it was received after its month was closed, so it is billed as an adjustment. */
interface AfterClosing {
  readonly afterClosing: boolean
}

export interface ProjectContributors {
  readonly days: readonly ContributingDay[]
  readonly events: readonly StoredEvent[]
}

/** For a peak metric, `value` is the project's value on the partnership's peak day, so that all projects add up to the number. */
export type ContributingProject = ProjectShare & { readonly name: string; readonly status: ProjectStatus }

/** Events that were received after their UTC day was over. */
export interface LateArrivals {
  readonly events: number
  /** The number minus what it would be without them. */
  readonly value: Quantity
  /** At most LATE_EVENTS_MAX, the last received first. */
  readonly latest: readonly LateEvent[]
}

export type LateEvent = StoredEvent & AfterClosing

export type ExplainOutcome = { status: 'explained'; explanation: Explanation } | { status: 'unknown_project' }

export interface ExplainStore {
  readonly clickhouse: ClickHouse
  /** A lane of its own: reading raw takes seconds for a large partner, and neither usage nor a closing may wait for it. */
  readonly lane: Lane
}

/** Explains a number of the partnership's summary. Throws StoreError. */
export async function explainPartnership(
  { clickhouse, lane }: ExplainStore,
  partnerId: string,
  measured: MeasuredMetric,
  period: Period,
): Promise<Explanation> {
  const { metric } = measured
  const number: ExplainedNumber = { of: { partnerId }, metric, period }
  const { asOfMs, peakDays, ...usage } = await readPartnershipUsage(clickhouse, partnerId, period)
  const peakDay = peakDays.get(metric) ?? null
  const extent = await readEvidenceSummary(lane, number, measured.kind)
  const shares = await readLargestProjects(lane, number, peakDay)
  return {
    asOfMs,
    ...describe('partnership', measured),
    value: valueOfMetric(usage, metric),
    peakDay,
    ...countsOf(extent),
    contributors: { projects: await withNames(clickhouse, partnerId, shares) },
    ...(await readChanges({ clickhouse, lane }, number, extent, partnerId)),
  }
}

/**
 * Explains a number of a project's summary. A project that is not registered is explained as well if it has events: an operator must be
 * able to find usage that is billed to no partner. Throws StoreError.
 */
export async function explainProject(
  { clickhouse, lane }: ExplainStore,
  project: ExplainedProject,
  measured: MeasuredMetric,
  period: Period,
): Promise<ExplainOutcome> {
  const { projectId, partnerId } = project
  const { metric, kind } = measured
  const number: ExplainedNumber = { of: { projectId }, metric, period }
  const { asOfMs, lastActivityMs, ...usage } = await readProjectUsage(clickhouse, projectId, period)
  if (partnerId === undefined && lastActivityMs === null) return { status: 'unknown_project' }
  const extent = await readEvidenceSummary(lane, number, measured.kind)
  const days = await readLargestDays(lane, number)
  const explanation: Explanation = {
    asOfMs,
    ...describe('project', measured),
    value: valueOfMetric(usage, metric),
    // The greatest day comes first, on ties the earliest.
    peakDay: kind === 'peak' ? (days[0]?.day ?? null) : null,
    ...countsOf(extent),
    contributors: { days, events: await readLargestEvents(lane, number) },
    ...(await readChanges({ clickhouse, lane }, number, extent, partnerId)),
  }
  return { status: 'explained', explanation }
}

export interface ExplainedProject {
  readonly projectId: string
  /** Undefined when the project is not registered. */
  readonly partnerId: string | undefined
}

function describe(of: 'project' | 'partnership', { metric, kind, unit }: MeasuredMetric) {
  return { metric, kind, unit, rule: ruleOf(of, { metric, kind }) }
}

function countsOf({ events, firstMs, lastMs }: EvidenceSummary) {
  return { events, firstEventMs: firstMs, lastEventMs: lastMs }
}

async function withNames(clickhouse: ClickHouse, partnerId: string, shares: readonly ProjectShare[]): Promise<ContributingProject[]> {
  const ids = shares.map(({ projectId }) => projectId)
  const known = await readListedProjects(clickhouse, partnerId, ids)
  return shares.map((share) => {
    const project = known.get(share.projectId)
    if (project === undefined) throw new Error(`The project ${share.projectId} has usage for partner ${partnerId} but cannot be read.`)
    return { ...share, name: project.name, status: project.status }
  })
}

/** What arrived late, and what was corrected. */
async function readChanges(
  { clickhouse, lane }: ExplainStore,
  number: ExplainedNumber,
  { lateEvents, lateValue }: EvidenceSummary,
  partnerId: string | undefined,
): Promise<{ late: LateArrivals; corrections: AppliedCorrections }> {
  const headers = partnerId === undefined ? [] : await readStatementHeaders(clickhouse, partnerId)
  const closedMs = new Map<Month, number>(headers.map((header) => [header.month, header.closedMs]))
  const isAfterClosing = ({ day, receivedMs }: Pick<StoredEvent, 'day' | 'receivedMs'>) => receivedMs > (closedMs.get(monthOf(day)) ?? Number.POSITIVE_INFINITY)
  const latest = await readLateEvents(lane, number)
  const corrections = await readCorrections(lane, number)
  const withClosing = <T extends Pick<StoredEvent, 'day' | 'receivedMs'>>(each: T) => ({ ...each, afterClosing: isAfterClosing(each) })
  return {
    late: { events: lateEvents, value: lateValue, latest: latest.map(withClosing) },
    corrections: { ...corrections, latest: corrections.latest.map(withClosing) },
  }
}
