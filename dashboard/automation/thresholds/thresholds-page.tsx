import { useAnswer } from '../../calls/use-answer.ts'
import { PageHeading, refreshOf } from '../../parts/page-heading.tsx'
import { OPERATORS } from '../operators-subject.ts'
import { AboutSpikes } from './about-spikes.tsx'
import { readThresholds } from './call-thresholds.ts'
import { ThresholdList } from './threshold-list.tsx'
import { useUsed } from './use-used.ts'

/** The thresholds of operators. */
export function ThresholdsPage() {
  const thresholds = useAnswer('thresholds', (signal) => readThresholds(OPERATORS, signal))
  const used = useUsed(OPERATORS, thresholds)
  return (
    <>
      <PageHeading
        title="Thresholds"
        lead="When usage of a month reaches a level, the webhooks of operators are notified. Those of partners are their own and are not listed here."
        {...refreshOf(thresholds, used)}
      />
      <ThresholdList subject={OPERATORS} thresholds={thresholds} used={used} />
      <AboutSpikes />
    </>
  )
}
