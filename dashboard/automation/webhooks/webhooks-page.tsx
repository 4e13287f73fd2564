import { useAnswer } from '../../calls/use-answer.ts'
import { PageHeading, refreshOf } from '../../parts/page-heading.tsx'
import { OPERATORS } from '../operators-subject.ts'
import { readWebhooks } from './call-webhooks.ts'
import { WebhookList } from './webhook-list.tsx'

/** The webhooks of operators. */
export function WebhooksPage() {
  const webhooks = useAnswer('webhooks', (signal) => readWebhooks(OPERATORS, signal))
  return (
    <>
      <PageHeading
        title="Webhooks"
        lead="Where the service sends what happens, signed according to Standard Webhooks. Those of partners are their own and are not listed here."
        {...refreshOf(webhooks)}
      />
      <WebhookList subject={OPERATORS} webhooks={webhooks} />
    </>
  )
}
