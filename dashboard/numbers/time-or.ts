import { showTime } from './show-time.ts'

/** A time, or what is said where there is none. */
export function timeOr(instant: string | null, otherwise: string): string {
  return instant === null ? otherwise : showTime(instant)
}
