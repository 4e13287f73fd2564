import type { RetryProblem } from '../emitter/deliver.ts'
import { counted } from '../metering/counted.ts'

const MS_PER_SECOND = 1_000
const MS_PER_MINUTE = 60_000

/** Why a request is repeated, and how long that goes on. */
export function retryNote({ message }: Pick<RetryProblem, 'message'>, giveUpAfterMs: number): string {
  const isMinutes = giveUpAfterMs >= MS_PER_MINUTE
  const span = isMinutes ? counted(giveUpAfterMs / MS_PER_MINUTE, 'minute') : counted(giveUpAfterMs / MS_PER_SECOND, 'second')
  return `${message} Trying again, for up to ${span}.`
}
