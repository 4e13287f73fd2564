import type { Period } from '../address/period.ts'
import type { Subject } from '../address/subject.ts'

/** Whose usage is shown, and of which days. */
export interface ShownUsage {
  readonly of: 'project' | 'partnership'
  readonly subject: Subject
  readonly projectId?: string
  readonly period: Period
  /** The period whose days are drawn behind. */
  readonly before: Period
}
