import { useState } from 'preact/hooks'
import type { Subject } from '../../address/subject.ts'
import type { Loaded } from '../../calls/use-answer.ts'
import { timeOr } from '../../numbers/time-or.ts'
import { Badge } from '../../parts/notice.tsx'
import { ShownAnswer } from '../../parts/shown-answer.tsx'
import { Table } from '../../parts/table.tsx'
import type { readWebhooks, Webhook } from './call-webhooks.ts'
import { CreateWebhookDialog } from './create-webhook-dialog.tsx'
import { WebhookActions } from './webhook-actions.tsx'

interface WebhookListProps {
  readonly subject: Subject
  readonly webhooks: Loaded<Awaited<ReturnType<typeof readWebhooks>>>
}

/** The webhooks of a partner, or for operators all of them, and what can be done with each. */
export function WebhookList({ subject, webhooks }: WebhookListProps) {
  const [isCreating, setCreating] = useState(false)
  return (
    <section aria-label="Webhooks">
      <div class="section-heading">
        <h2>Webhooks</h2>
        <button type="button" class="main" onClick={() => setCreating(true)}>
          Add a webhook…
        </button>
      </div>
      <ShownAnswer answer={webhooks} what="webhooks">
        {({ webhooks: listed }) => (
          <Table
            caption="Webhooks, oldest first"
            isCaptionHidden
            columns={['URL', ...(subject.asAdmin ? ['Set by', 'About'] : []), 'Messages', 'State', 'Last delivered', 'Actions']}
            empty="There is no webhook yet. Add one to be notified when something happens."
            rows={listed.map((webhook) => ({
              key: webhook.id,
              cells: [
                <span class="breakable" title={`Id ${webhook.id}`}>
                  {webhook.url}
                </span>,
                ...(subject.asAdmin ? [webhook.set_by ?? 'operators', webhook.partner_id ?? 'all partners'] : []),
                <span class="breakable">{webhook.events.join(', ')}</span>,
                <State webhook={webhook} />,
                timeOr(webhook.last_delivered_at, 'never'),
                <WebhookActions subject={subject} webhook={webhook} onChanged={webhooks.reload} />,
              ],
            }))}
          />
        )}
      </ShownAnswer>
      {isCreating ? <CreateWebhookDialog subject={subject} onCreated={webhooks.reload} onClose={() => setCreating(false)} /> : null}
    </section>
  )
}

const DISABLED = { requested: 'disabled', failing: 'disabled because it failed', partner_disabled: 'its partner is disabled' } as const

/** Whether it gets messages, since when it fails, and what to do then. */
function State({ webhook: { enabled, disabled_reason, disabled_at, failing_since, notice } }: { webhook: Webhook }) {
  return (
    <div>
      {enabled ? (
        <Badge tone={failing_since === null ? 'good' : 'warn'}>{failing_since === null ? 'enabled' : 'failing'}</Badge>
      ) : (
        <Badge tone={disabled_reason === 'failing' ? 'bad' : 'plain'}>{DISABLED[disabled_reason ?? 'requested']}</Badge>
      )}
      {failing_since === null ? null : <p class="hint">No success since {timeOr(failing_since, '')}</p>}
      {disabled_at === null ? null : <p class="hint">Since {timeOr(disabled_at, '')}</p>}
      {notice === null ? null : <p class="hint">{notice}</p>}
    </div>
  )
}
