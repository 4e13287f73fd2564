import { useState } from 'preact/hooks'
import type { Subject } from '../../address/subject.ts'
import { ConfirmDialog } from '../../parts/confirm-dialog.tsx'
import { changeWebhook, removeWebhook, type Webhook } from './call-webhooks.ts'
import { ChangeWebhookDialog } from './change-webhook-dialog.tsx'
import { DeliveriesDialog } from './deliveries-dialog.tsx'
import { RotateDialog } from './rotate-dialog.tsx'
import { TestDialog } from './test-dialog.tsx'

interface WebhookActionsProps {
  readonly subject: Subject
  readonly webhook: Webhook
  readonly onChanged: () => void
}

const ACTIONS = {
  deliveries: 'Deliveries…',
  change: 'Change…',
  test: 'Send a test…',
  rotate: 'Rotate the secret…',
  enable: 'Enable…',
  disable: 'Disable…',
  remove: 'Remove…',
}
type ActionName = keyof typeof ACTIONS

/** What can be done with a webhook. */
export function WebhookActions({ subject, webhook, onChanged }: WebhookActionsProps) {
  const [asked, setAsked] = useState<ActionName>()
  const close = () => setAsked(undefined)
  const isForeign = subject.asAdmin && webhook.set_by !== null
  // While its partner is disabled, enabling it would change nothing.
  const toggles: readonly ActionName[] = webhook.enabled ? ['disable'] : webhook.disabled_reason === 'partner_disabled' ? [] : ['enable']
  const often: readonly ActionName[] = isForeign ? ['deliveries'] : ['deliveries', 'test']
  const seldom: readonly ActionName[] = [...(isForeign ? [] : (['change', 'rotate'] as const)), ...toggles, 'remove']
  const buttonOf = (name: ActionName) => (
    <button key={name} type="button" aria-label={`${ACTIONS[name]} ${webhook.url}`} onClick={() => setAsked(name)}>
      {ACTIONS[name]}
    </button>
  )
  return (
    <div class="row-actions">
      {often.map(buttonOf)}
      <details class="more">
        <summary aria-label={`More for ${webhook.url}`}>More</summary>
        <div class="row-actions">{seldom.map(buttonOf)}</div>
      </details>
      {asked === 'deliveries' ? <DeliveriesDialog subject={subject} webhook={webhook} onClose={close} /> : null}
      {asked === 'change' ? <ChangeWebhookDialog subject={subject} webhook={webhook} onChanged={onChanged} onClose={close} /> : null}
      {asked === 'test' ? <TestDialog subject={subject} webhook={webhook} onTested={onChanged} onClose={close} /> : null}
      {asked === 'rotate' ? <RotateDialog subject={subject} webhook={webhook} onClose={close} /> : null}
      {asked === 'enable' || asked === 'disable' ? (
        <ConfirmDialog
          heading={`${asked === 'enable' ? 'Enable' : 'Disable'} this webhook?`}
          verb={asked === 'enable' ? 'Enable' : 'Disable'}
          act={() => changeWebhook(subject, webhook.id, { enabled: asked === 'enable' })}
          onDone={onChanged}
          onClose={close}
        >
          <p class="breakable">{webhook.url}</p>
          <p>
            {asked === 'enable'
              ? 'Messages that are still pending are sent now. What happened while it was disabled was not stored for it.'
              : 'Nothing is sent to it until it is enabled again. What happens meanwhile is not stored for it; what is pending stays pending.'}
          </p>
        </ConfirmDialog>
      ) : null}
      {asked === 'remove' ? (
        <ConfirmDialog
          heading="Remove this webhook?"
          verb="Remove"
          isDangerous
          act={() => removeWebhook(subject, webhook.id)}
          onDone={onChanged}
          onClose={close}
        >
          <p class="breakable">{webhook.url}</p>
          <p>Nothing more is sent to it, not even what is pending, and its secret is deleted. To stop it for a while, disable it instead.</p>
        </ConfirmDialog>
      ) : null}
    </div>
  )
}
