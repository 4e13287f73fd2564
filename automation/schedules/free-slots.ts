import type { StoredSchedule } from './stored-schedules.ts'

/** What a schedule does: it calls a URL, or delivers an export. */
export type ActionKind = 'call' | 'export'

export function actionOf({ definition }: Pick<StoredSchedule, 'definition'>): ActionKind {
  return definition.export === null ? 'call' : 'export'
}

/** How many more runs of each kind may begin. An upload may take an hour, so exports have slots of their own, and calls always have theirs. */
export class FreeSlots {
  readonly #free: Record<ActionKind, number>

  constructor(slots: Readonly<Record<ActionKind, number>>) {
    this.#free = { ...slots }
  }

  occupy(action: ActionKind): void {
    this.#free[action] -= 1
  }

  /** Whether there was a slot for a run of this schedule. It is occupied then. */
  acquire(schedule: Pick<StoredSchedule, 'definition'>): boolean {
    const action = actionOf(schedule)
    if (this.#free[action] <= 0) return false
    this.occupy(action)
    return true
  }
}
