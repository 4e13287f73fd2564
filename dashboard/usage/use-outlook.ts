import { dayOf, type PeriodChoice } from '../address/period.ts'
import type { Subject } from '../address/subject.ts'
import { type Loaded, useAnswer } from '../calls/use-answer.ts'
import { type Outlook, readOutlook } from './read-outlook.ts'

/** The outlook of the month that is shown. Thresholds are of months, so other periods have none. */
export function useOutlook(subject: Subject, choice: PeriodChoice): Loaded<Outlook | undefined> {
  const month = choice.startsWith('month:') ? choice.slice('month:'.length) : undefined
  return useAnswer(`outlook ${subject.partnerId} ${month ?? ''}`, async (signal) => {
    if (month === undefined) return undefined
    const { thresholds, projection } = await readOutlook(subject, month === dayOf(Date.now()).slice(0, 7), signal)
    // A threshold counts from the month in which it was set.
    return { thresholds: thresholds.filter(({ created_at }) => created_at.slice(0, 7) <= month), projection }
  })
}
