import { dayOf, type PeriodChoice } from '../address/period.ts'
import { type Loaded, useAnswer } from '../calls/use-answer.ts'
import { type Outlook, type OutlookOf, readOutlook } from './read-outlook.ts'

/** The outlook of the month that is shown. Thresholds are of months, so other periods have none. */
export function useOutlook(of: OutlookOf, choice: PeriodChoice): Loaded<Outlook | undefined> {
  const month = choice.startsWith('month:') ? choice.slice('month:'.length) : undefined
  return useAnswer(`outlook ${of.subject.partnerId} ${of.projectId ?? ''} ${month ?? ''}`, async (signal) => {
    if (month === undefined) return undefined
    const { thresholds, projectedOf } = await readOutlook(of, month === dayOf(Date.now()).slice(0, 7), signal)
    // A threshold counts from the month in which it was set.
    return { thresholds: thresholds.filter(({ created_at }) => created_at.slice(0, 7) <= month), projectedOf }
  })
}
