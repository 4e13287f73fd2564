import { useAnswer } from '../../calls/use-answer.ts'
import { PageHeading, refreshOf } from '../../parts/page-heading.tsx'
import { OPERATORS } from '../operators-subject.ts'
import { readWebhooks } from './call-webhooks.ts'
import { WebhookList } from './webhook-list.tsx'

/** The webhooks of operators, and those of partners, which operators can disable and remove. */
export function WebhooksPage() {
  const webhooks = useAnswer('webhooks', (signal) => readWebhooks(OPERATORS, signal))
  return (
    <>
      <PageHeading
        title="Webhooks"
        lead="Where the service sends what happens, signed according to Standard Webhooks. Those of partners can be disabled and removed here; the rest is for the partner."
        {...refreshOf(webhooks)}
      />
      <WebhookList subject={OPERATORS} webhooks={webhooks} />
    </>
  )
}
