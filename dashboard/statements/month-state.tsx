import { dayOf } from '../address/period.ts'
import { Badge } from '../parts/notice.tsx'
import type { StatementHead } from './read-statements.ts'

/** due: the month is over and can be closed. */
export type MonthState = 'open' | 'due' | 'closed'

export function monthStateOf({ status, month }: Pick<StatementHead, 'status' | 'month'>): MonthState {
  if (status === 'closed') return 'closed'
  return month < dayOf(Date.now()).slice(0, 7) ? 'due' : 'open'
}

const STATES = {
  open: { tone: 'plain', title: 'The month is not over. What is shown is metered so far.' },
  due: { tone: 'warn', title: 'The month is over and not closed yet.' },
  closed: { tone: 'good', title: 'The month is billed. Its statement never changes.' },
} as const

export function MonthBadge({ state }: { state: MonthState }) {
  return <Badge {...STATES[state]}>{state}</Badge>
}

export function meaningOf(state: MonthState): string {
  return STATES[state].title
}
