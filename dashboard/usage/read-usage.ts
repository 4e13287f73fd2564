import type { GET_PARTNERSHIP_USAGE, GET_PROJECT_USAGE, GET_USAGE_OF_PARTNER, GET_USAGE_OF_PROJECT } from '../../contract/usage.ts'
import type { Period } from '../address/period.ts'
import type { Subject } from '../address/subject.ts'
import { CallFailed, call } from '../calls/call.ts'
import { caller } from '../session/session.ts'
import type { PartnershipUsage, ProjectUsage } from './figures.ts'

export function readPartnershipUsage({ partnerId, asAdmin }: Subject, { first, last }: Period, signal: AbortSignal): Promise<PartnershipUsage> {
  const request = { method: 'GET', params: { partnerId }, query: { start_date: first, end_date: last, include: 'daily,byte_days' } } as const
  if (asAdmin) return call<typeof GET_USAGE_OF_PARTNER>(caller(signal), { ...request, path: '/admin/v1/partners/:partnerId/usage' })
  return call<typeof GET_PARTNERSHIP_USAGE>(caller(signal), { ...request, path: '/partnership/v1/:partnerId/usage' })
}

export interface ProjectOfSubject {
  readonly subject: Subject
  readonly projectId: string
}

export function readProjectUsage({ subject, projectId }: ProjectOfSubject, { first, last }: Period, signal: AbortSignal): Promise<ProjectUsage> {
  const query = { start_date: first, end_date: last, include: 'byte_days' } as const
  if (subject.asAdmin)
    return call<typeof GET_USAGE_OF_PROJECT>(caller(signal), { method: 'GET', path: '/admin/v1/projects/:projectId/usage', params: { projectId }, query })
  const params = { partnerId: subject.partnerId, projectId }
  return call<typeof GET_PROJECT_USAGE>(caller(signal), { method: 'GET', path: '/partnership/v1/:partnerId/:projectId/usage', params, query })
}

export interface GroupedUsage {
  readonly subject: Subject
  readonly projectId: string | undefined
  readonly label: string
}

/** The usage of each value of one label, of the partner or of one project. */
export async function readGroups(
  { subject: { partnerId, asAdmin }, projectId, label }: GroupedUsage,
  { first, last }: Period,
  signal: AbortSignal,
): Promise<NonNullable<ProjectUsage['groups']>> {
  const query = { start_date: first, end_date: last, group_by: label }
  if (projectId === undefined) {
    const request = { method: 'GET', params: { partnerId }, query } as const
    const { groups = [] } = asAdmin
      ? await call<typeof GET_USAGE_OF_PARTNER>(caller(signal), { ...request, path: '/admin/v1/partners/:partnerId/usage' })
      : await call<typeof GET_PARTNERSHIP_USAGE>(caller(signal), { ...request, path: '/partnership/v1/:partnerId/usage' })
    return groups
  }
  const { groups = [] } = asAdmin
    ? await call<typeof GET_USAGE_OF_PROJECT>(caller(signal), { method: 'GET', path: '/admin/v1/projects/:projectId/usage', params: { projectId }, query })
    : await call<typeof GET_PROJECT_USAGE>(caller(signal), {
        ...{ method: 'GET', path: '/partnership/v1/:partnerId/:projectId/usage' },
        params: { partnerId, projectId },
        query,
      })
  return groups
}

/** For the period before the first one that can be stored, which the API rejects. */
export function undefinedIfNoSuchPeriod(error: unknown): undefined {
  if (error instanceof CallFailed && error.status === 400) return undefined
  throw error
}
