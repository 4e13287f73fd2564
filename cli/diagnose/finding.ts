/** The most urgent first. `critical`: bills are late or may be wrong, or events are not accepted. `info`: nobody has to act. */
export const SEVERITIES = ['critical', 'warning', 'info'] as const
export type Severity = (typeof SEVERITIES)[number]

export const CATEGORIES = ['health', 'billing', 'performance', 'security'] as const
export type Category = (typeof CATEGORIES)[number]

/** What is wrong, why, and what to do about it. */
export interface Finding {
  /** Stable, for programs. */
  readonly id: string
  readonly severity: Severity
  readonly category: Category
  readonly what: string
  readonly cause: string
  /** The next command or step. */
  readonly next: string
}

/** Whether a person has to act. */
export function needsPerson({ severity }: Finding): boolean {
  return severity !== 'info'
}

export function bySeverity(one: Finding, other: Finding): number {
  return SEVERITIES.indexOf(one.severity) - SEVERITIES.indexOf(other.severity)
}

/** The first names of a long list. */
export function namesOf(names: readonly string[], shown = 3): string {
  const rest = names.length - shown
  return `${names.slice(0, shown).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`
}
