import { RUN_AUDIT } from '../contract/audits.ts'
import type { AnswerOf } from '../contract/operation.ts'
import { GET_PARTNERSHIP_USAGE, GET_PROJECT_USAGE } from '../contract/usage.ts'
import { counted } from '../metering/counted.ts'
import { MS_PER_DAY } from '../metering/timestamp.ts'
import type { DemoClient, DemoPartner } from './demo-client.ts'
import { deletedTable, partnershipTable, projectWeekTable } from './tables.ts'
import type { DemoProject } from './world.ts'

const WEEK_DAYS = 7

interface ReportSubject {
  readonly url: string
  readonly partner: DemoPartner
  readonly projects: readonly DemoProject[]
  readonly firstDayMs: number
  readonly nowMs: number
}

/** The lines of a report on the partnership, read from the API. Throws when the audit finds differences. */
export async function readReport(client: DemoClient, subject: ReportSubject): Promise<string[]> {
  const [shown] = subject.projects
  if (shown === undefined) throw new Error('The demo has no project.')
  const whole = { path: '/usage', from: dayAt(subject.firstDayMs), to: dayAt(subject.nowMs) }
  const week = { path: `/${shown.id}/usage`, projectId: shown.id, from: dayAt(subject.nowMs - (WEEK_DAYS - 1) * MS_PER_DAY), to: whole.to }
  return [
    ...(await partnershipLines(client, subject, whole)),
    ...(await deletedLines(client, subject, whole)),
    ...(await weekLines(client, subject, week)),
    ...(await auditLines(client)),
    'The same numbers with curl (the secret is valid in this demo only)',
    ...curlLines(subject, whole),
    ...curlLines(subject, week),
    '',
    'The same numbers in a browser (both credentials are valid in this demo only)',
    `  ${subject.url}/`,
    `  partner id ${subject.partner.partnerId}, secret ${subject.partner.secret}`,
    `  admin token ${client.adminToken}`,
  ]
}

/** A usage query: the path below the partner, and the days. */
interface UsageQuery {
  readonly path: string
  readonly from: string
  readonly to: string
}

async function partnershipLines(client: DemoClient, { partner }: ReportSubject, query: UsageQuery): Promise<string[]> {
  const answer = await client.asPartner(partner, GET_PARTNERSHIP_USAGE, {
    params: { partnerId: partner.partnerId },
    query: { start_date: query.from, end_date: query.to },
  })
  return [
    `Usage of ${answer.partnership.name}, all projects, ${query.from} to ${query.to}`,
    '(peak ^: the sum over all projects per day, then the highest day; cumulative: the sum over all days)',
    `(complete as of ${answer.as_of})`,
    partnershipTable(answer),
    '',
  ]
}

async function deletedLines(client: DemoClient, { partner, projects }: ReportSubject, { from, to }: UsageQuery): Promise<string[]> {
  const answers: AnswerOf<typeof GET_PROJECT_USAGE>[] = []
  for (const { id, deletedAfterDay } of projects) {
    if (deletedAfterDay !== undefined) answers.push(await readProjectUsage(client, partner, { projectId: id, from, to }))
  }
  const names = answers.map(({ project }) => project.name).join(', ')
  return [`Deleted last month, still billed: ${names}`, deletedTable(answers), '']
}

async function weekLines(client: DemoClient, { partner }: ReportSubject, query: ProjectUsageQuery): Promise<string[]> {
  const answer = await readProjectUsage(client, partner, query)
  return [
    `The last ${WEEK_DAYS} days of project ${answer.project.name} (${answer.project.status}), ${query.from} to ${query.to}`,
    '(^ is a peak: the week shows its highest day; other columns add up; MB are rounded down)',
    projectWeekTable(answer),
    '',
  ]
}

async function auditLines(client: DemoClient): Promise<string[]> {
  const { differences, events_recounted, keys_compared } = await client.asOperator(RUN_AUDIT)
  const summary = `Audit: ${counted(differences.length, 'difference')} (${counted(events_recounted, 'raw event')} recounted, ${counted(keys_compared, 'daily total')} compared)`
  if (differences.length > 0) throw new Error(summary)
  return [summary, '']
}

function curlLines({ url, partner }: ReportSubject, { path, from, to }: UsageQuery): string[] {
  return [
    `  curl -G -H 'X-Partnership-Secret: ${partner.secret}' \\`,
    `    -d start_date=${from} -d end_date=${to} \\`,
    `    ${url}/partnership/v1/${partner.partnerId}${path}`,
  ]
}

interface ProjectUsageQuery extends Pick<UsageQuery, 'from' | 'to'> {
  readonly projectId: string
}

function readProjectUsage(client: DemoClient, partner: DemoPartner, { projectId, from, to }: ProjectUsageQuery) {
  return client.asPartner(partner, GET_PROJECT_USAGE, { params: { partnerId: partner.partnerId, projectId }, query: { start_date: from, end_date: to } })
}

function dayAt(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}
