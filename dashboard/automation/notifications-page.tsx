import type { Subject } from '../address/subject.ts'
import { useAnswer } from '../calls/use-answer.ts'
import { PageHeading, refreshOf } from '../parts/page-heading.tsx'
import { AboutSpikes } from './thresholds/about-spikes.tsx'
import { readThresholds } from './thresholds/call-thresholds.ts'
import { ThresholdList } from './thresholds/threshold-list.tsx'
import { useUsed } from './thresholds/use-used.ts'
import { readWebhooks } from './webhooks/call-webhooks.ts'
import { WebhookList } from './webhooks/webhook-list.tsx'

/** A partner's own webhooks and thresholds. */
export function NotificationsPage({ subject }: { subject: Subject }) {
  const webhooks = useAnswer('webhooks', (signal) => readWebhooks(subject, signal))
  const thresholds = useAnswer('thresholds', (signal) => readThresholds(subject, signal))
  const used = useUsed(subject, thresholds)
  return (
    <>
      <PageHeading
        title="Notifications"
        lead="Set the levels of usage that you want to know of, and where the messages are sent. No one else sees them."
        {...refreshOf(webhooks, thresholds, used)}
      />
      <WebhookList subject={subject} webhooks={webhooks} />
      <ThresholdList subject={subject} thresholds={thresholds} used={used} />
      <AboutSpikes />
    </>
  )
}
