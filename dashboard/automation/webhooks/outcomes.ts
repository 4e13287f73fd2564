import { allDigits } from '../../numbers/show-quantity.ts'

interface Attempt {
  readonly outcome: keyof typeof OUTCOMES
  readonly http_status: string | null
  readonly duration_ms: string
}

const OUTCOMES = {
  delivered: 'Delivered',
  http_status: 'Not accepted',
  timed_out: 'No answer in time',
  no_answer: 'No connection, or it broke off',
  private_address: 'Not sent: the URL leads to an address that is not public',
  requested: 'Requested again',
} as const

/** How an attempt to deliver went, in words. */
export function outcomeOf({ outcome, http_status, duration_ms }: Attempt): string {
  const status = http_status === null ? '' : `, status ${http_status}`
  return outcome === 'requested' ? OUTCOMES.requested : `${OUTCOMES[outcome]}${status}, after ${allDigits(duration_ms)} ms`
}
