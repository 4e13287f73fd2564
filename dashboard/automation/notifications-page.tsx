import type { Subject } from '../address/subject.ts'
import { useAnswer } from '../calls/use-answer.ts'
import { PageHeading, refreshOf } from '../parts/page-heading.tsx'
import { AboutSpikes } from './thresholds/about-spikes.tsx'
import { readThresholds } from './thresholds/call-thresholds.ts'
import { ThresholdList } from './thresholds/threshold-list.tsx'
import { readWebhooks } from './webhooks/call-webhooks.ts'
import { WebhookList } from './webhooks/webhook-list.tsx'

/** A partner's own webhooks and thresholds. */
export function NotificationsPage({ subject }: { subject: Subject }) {
  const webhooks = useAnswer('webhooks', (signal) => readWebhooks(subject, signal))
  const thresholds = useAnswer('thresholds', (signal) => readThresholds(subject, signal))
  return (
    <>
      <PageHeading
        title="Notifications"
        lead="Set the levels of usage that you want to know of, and where the messages are sent. No one else sees them."
        {...refreshOf(webhooks, thresholds)}
      />
      <WebhookList subject={subject} webhooks={webhooks} />
      <ThresholdList subject={subject} thresholds={thresholds} />
      <AboutSpikes />
    </>
  )
}
