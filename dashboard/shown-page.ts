import type { ComponentChildren } from 'preact'
import type { Session } from './session/session.ts'

export type PageGroup = 'Billing' | 'Operations' | 'Automation' | 'Access'

/** A page: the first part of its URL, its name in the menu, and who sees it. */
export interface ShownPage {
  readonly path: string
  readonly title: string
  /** Under which heading of the menu. Pages without one come first. */
  readonly group?: PageGroup
  readonly isFor: (session: Session) => boolean
  /** `rest`: the further parts of the URL. */
  readonly show: (rest: readonly string[], session: Session) => ComponentChildren
}
