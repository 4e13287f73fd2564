import { z } from 'zod'
import { MS_PER_DAY } from '../metering/timestamp.ts'
import type { DemoClient, DemoPartner } from './demo-client.ts'
import { grouped } from './grouped.ts'
import { deletedTable, PartnershipAnswer, ProjectAnswer, partnershipTable, projectWeekTable } from './tables.ts'
import type { DemoProject } from './world.ts'

const WEEK_DAYS = 7

interface ReportSubject {
  readonly url: string
  readonly partner: DemoPartner
  readonly projects: readonly DemoProject[]
  readonly firstDayMs: number
  readonly nowMs: number
}

/** What the API now says about the partnership, as the lines of a report. Throws when raw and rollup differ. */
export async function readReport(client: DemoClient, subject: ReportSubject): Promise<string[]> {
  const [shown] = subject.projects
  if (shown === undefined) throw new Error('The demo has no project.')
  const whole = { path: '/usage', from: dayAt(subject.firstDayMs), to: dayAt(subject.nowMs) }
  const week = { path: `/${shown.id}/usage`, from: dayAt(subject.nowMs - (WEEK_DAYS - 1) * MS_PER_DAY), to: whole.to }
  return [
    ...(await partnershipLines(client, subject, whole)),
    ...(await deletedLines(client, subject, whole)),
    ...(await weekLines(client, subject, week)),
    ...(await auditLines(client)),
    'The same numbers by hand (the secret is a throw-away: it goes with the demo)',
    ...curlLines(subject, whole),
    ...curlLines(subject, week),
  ]
}

/** A usage answer to ask for: the path below the partner, and the days. */
interface Asked {
  readonly path: string
  readonly from: string
  readonly to: string
}

async function partnershipLines(client: DemoClient, { partner }: ReportSubject, asked: Asked): Promise<string[]> {
  const answer = PartnershipAnswer.parse(await ask(client, partner, asked))
  return [
    `Usage of ${answer.partnership.name}, all projects, ${asked.from} to ${asked.to}`,
    '(peak ^ is the sum over the projects per day, then the greatest day; cumulative is the sum)',
    `(complete as of ${answer.as_of})`,
    partnershipTable(answer),
    '',
  ]
}

async function deletedLines(client: DemoClient, { partner, projects }: ReportSubject, { from, to }: Asked): Promise<string[]> {
  const answers: z.output<typeof ProjectAnswer>[] = []
  for (const { id, deletedAfterDay } of projects) {
    if (deletedAfterDay !== undefined) answers.push(ProjectAnswer.parse(await ask(client, partner, { path: `/${id}/usage`, from, to })))
  }
  const names = answers.map(({ project }) => project.name).join(', ')
  return [`Deleted on the way, billed all the same: ${names}`, deletedTable(answers), '']
}

async function weekLines(client: DemoClient, { partner }: ReportSubject, asked: Asked): Promise<string[]> {
  const answer = ProjectAnswer.parse(await ask(client, partner, asked))
  return [
    `A week of the project ${answer.project.name} (${answer.project.status}), ${asked.from} to ${asked.to}`,
    '(^ is a peak: the week has the greatest day; the rest adds up; MB are cut, the API has all digits)',
    projectWeekTable(answer),
    '',
  ]
}

async function auditLines(client: DemoClient): Promise<string[]> {
  const { differences, events_recounted, keys_compared } = Audit.parse(await client.admin('POST', '/audits', {}))
  const summary = `Audit: ${differences.length} differences (${grouped(events_recounted)} raw events recounted, ${grouped(keys_compared)} daily totals compared)`
  if (differences.length > 0) throw new Error(summary)
  return [summary, '']
}

const Audit = z.object({ events_recounted: z.string(), keys_compared: z.string(), differences: z.array(z.unknown()) })

function curlLines({ url, partner }: ReportSubject, { path, from, to }: Asked): string[] {
  return [
    `  curl -G -H 'X-Partnership-Secret: ${partner.secret}' \\`,
    `    -d start_date=${from} -d end_date=${to} \\`,
    `    ${url}/partnership/v1/${partner.partnerId}${path}`,
  ]
}

function ask(client: DemoClient, partner: DemoPartner, { path, from, to }: Asked): Promise<unknown> {
  return client.partner(partner, 'GET', `${path}?start_date=${from}&end_date=${to}`)
}

function dayAt(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}
