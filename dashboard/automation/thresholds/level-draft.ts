import type { NewThreshold, Threshold } from './call-thresholds.ts'

/** A level as it is being written. */
export interface LevelDraft {
  readonly name: string
  readonly amount: string
  readonly of: 'percent' | 'value'
}

export function draftOf(level: Threshold['levels'][number]): LevelDraft {
  if ('value' in level) return { name: level.name, amount: level.value, of: 'value' }
  return { name: level.name, amount: level.percent_of_budget, of: 'percent' }
}

/** Whether it is a number at all is decided by the service. */
export function levelOf({ name, amount, of }: LevelDraft): NewThreshold['levels'][number] {
  return of === 'percent' ? { name, percent_of_budget: Number(amount) } : { name, value: amount.trim() }
}
