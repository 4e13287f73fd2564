import type { ProjectStatus, Region } from '../../contract/lists.ts'
import type { AnswerOf } from '../../contract/operation.ts'
import type { LIST_PARTNER_PROJECTS, LIST_PROJECTS_OF_PARTNER, ProjectSort } from '../../contract/partner-projects.ts'
import type { Period } from '../address/period.ts'
import type { Subject } from '../address/subject.ts'
import { call } from '../calls/call.ts'
import type { AsText } from '../calls/numbers-as-text.ts'
import { caller } from '../session/session.ts'

export type ProjectList = AsText<AnswerOf<typeof LIST_PARTNER_PROJECTS>>
export type ListedProject = ProjectList['projects'][number]

export interface ProjectQuery {
  readonly period: Period
  readonly status?: ProjectStatus | undefined
  readonly region?: Region | undefined
  readonly search?: string | undefined
  readonly sort?: ProjectSort | undefined
  readonly cursor?: string | undefined
  readonly limit: number
}

/** A page of a partner's projects with their usage: their own of the period, and that of the partner's peak days. */
export function readProjects({ partnerId, asAdmin }: Subject, { period, ...query }: ProjectQuery, signal: AbortSignal): Promise<ProjectList> {
  const request = {
    method: 'GET',
    params: { partnerId },
    query: { ...query, start_date: period.first, end_date: period.last, include: 'on_peak_days' },
  } as const
  if (asAdmin) return call<typeof LIST_PROJECTS_OF_PARTNER>(caller(signal), { ...request, path: '/admin/v1/partners/:partnerId/projects' })
  return call<typeof LIST_PARTNER_PROJECTS>(caller(signal), { ...request, path: '/partnership/v1/:partnerId/projects' })
}
