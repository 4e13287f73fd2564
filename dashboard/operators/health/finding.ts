/** What is wrong, why, and what to do about it. The same things as those of `meterline diagnose`. */
export interface Finding {
  readonly tone: 'bad' | 'warn' | 'plain'
  readonly what: string
  readonly why: string
  /** The next step. */
  readonly next: string
  /** The page where it can be done or looked into. */
  readonly link?: { readonly href: string; readonly title: string }
}

const TONES = ['bad', 'warn', 'plain'] as const

export function byUrgency(one: Finding, other: Finding): number {
  return TONES.indexOf(one.tone) - TONES.indexOf(other.tone)
}
