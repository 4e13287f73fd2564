import type { ExportAction } from '../../contract/schedules.ts'

/** What a file is about: the beginning of the names of its objects, and what its revisions are counted by. */
export interface Subject {
  readonly what: ExportAction['what']
  /** The version of FOCUS that the schedule names. */
  readonly focus: ExportAction['focus']
  readonly hasByteDays: boolean
  /** The month as YYYY-MM; for a file of one day, YYYY-MM-DD. */
  readonly period: string
  /** An id as in `ownerOf`. */
  readonly owner: string
}

/** The owner of a file with all partners. */
export const ALL_PARTNERS = 'all'

/** A partner as a part of a name. Ids that we create need no replacement. */
export function ownerOf(partnerId: string | undefined): string {
  return partnerId === undefined ? ALL_PARTNERS : partnerId.replaceAll(/[^\w-]/g, '_')
}

/** Such as "focus/month=2026-10/all", "focus-1.2/month=2026-10/all", "usage/day=2026-10-31/all" or "usage-byte-days/day=2026-10-31/all". */
export function subjectText({ what, focus, hasByteDays, period, owner }: Subject): string {
  return `${what}${focus === undefined ? '' : `-${focus}`}${hasByteDays ? BYTE_DAYS : ''}/${period.length === MONTH_CHARACTERS ? 'month' : 'day'}=${period}/${owner}`
}

/** Throws for a text that `subjectText` did not write. */
export function parseSubject(text: string): Pick<Subject, 'what' | 'period' | 'owner'> {
  const [, what, period, owner] = /^(\w+)(?:-[\d.]+)?(?:-byte-days)?\/(?:month|day)=([\d-]+)\/([\w-]+)$/.exec(text) ?? []
  if (what === undefined || period === undefined || owner === undefined) throw new Error(`"${text}" is not the subject of a delivery.`)
  return { what: what as Subject['what'], period, owner }
}

export function objectName(subject: string, sha256: string, format: ExportAction['format']): string {
  return `${subject}-${sha256}.${format}`
}

export function manifestName(subject: string, sha256: string, revision: number): string {
  return `${subject}-${sha256}.r${revision}.manifest.json`
}

/** Files with byte-days have revisions of their own. */
const BYTE_DAYS = '-byte-days'
const MONTH_CHARACTERS = 'YYYY-MM'.length
