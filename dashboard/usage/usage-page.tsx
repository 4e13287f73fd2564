import { address } from '../address/address.ts'
import { type Period, periodBefore, periodOf, periodParameters } from '../address/period.ts'
import { PeriodPicker } from '../address/period-picker.tsx'
import { linkOfSubject, type Subject } from '../address/subject.ts'
import { useAnswer } from '../calls/use-answer.ts'
import { refreshOf } from '../parts/page-heading.tsx'
import { ShownAnswer } from '../parts/shown-answer.tsx'
import { BillingBadges } from './billing-badges.tsx'
import { figuresOfPartnership, type PartnershipUsage } from './figures.ts'
import { MetricCards } from './metric-cards.tsx'
import { OutlookFailure } from './outlook-failure.tsx'
import { readPartnershipUsage, undefinedIfNoSuchPeriod } from './read-usage.ts'
import { UsageByLabels } from './usage-by-labels.tsx'
import { useOutlook } from './use-outlook.ts'

/** The usage of a partner in a period, beside the period before. */
export function UsagePage({ subject }: { subject: Subject }) {
  const chosen = periodOf(address.value.parameters, Date.now())
  const before = periodBefore(chosen)
  const { period } = chosen
  const key = `usage ${subject.partnerId} ${period.first} ${period.last}`
  const usage = useAnswer(key, (signal) => readBoth(subject, period, before, signal))
  const outlook = useOutlook({ subject }, chosen.choice)
  const { isRefreshing, onRefresh } = refreshOf(usage, outlook)
  return (
    <>
      <div class="heading">
        <h1>Usage{usage.state === 'ready' ? ` of ${usage.value.now.partnership.name}` : ''}</h1>
        <PeriodPicker chosen={chosen} />
      </div>
      <ShownAnswer answer={usage} what="usage">
        {({ now, earlier }) => (
          <>
            <BillingBadges {...now} period={period} onRefresh={onRefresh} isRefreshing={isRefreshing} />
            <OutlookFailure outlook={outlook} />
            <MetricCards
              of="partnership"
              subject={subject}
              period={period}
              before={before}
              figures={figuresOfPartnership(now)}
              earlier={earlier === undefined ? [] : figuresOfPartnership(earlier)}
              outlook={outlook.state === 'ready' ? outlook.value : undefined}
            />
            <UsageByLabels subject={subject} period={period} />
            <p class="links">
              <a href={linkOfSubject(subject, ['projects'], periodParameters(address.value.parameters))}>Which projects used it</a>
            </p>
          </>
        )}
      </ShownAnswer>
    </>
  )
}

/** Of one moment as far as possible: both periods are read together. */
async function readBoth(
  subject: Subject,
  period: Period,
  before: Period,
  signal: AbortSignal,
): Promise<{ now: PartnershipUsage; earlier: PartnershipUsage | undefined }> {
  const [now, earlier] = await Promise.all([
    readPartnershipUsage(subject, period, signal),
    readPartnershipUsage(subject, before, signal).catch(undefinedIfNoSuchPeriod),
  ])
  return { now, earlier }
}
