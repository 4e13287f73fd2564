import { useState } from 'preact/hooks'
import { showTime } from '../../numbers/show-time.ts'
import { timeOr } from '../../numbers/time-or.ts'
import { ConfirmDialog } from '../../parts/confirm-dialog.tsx'
import { Badge } from '../../parts/notice.tsx'
import { Table } from '../../parts/table.tsx'
import { activateSecret, deactivateSecret, type ListedSecret } from './read-secrets.ts'
import { RevealDialog } from './reveal-dialog.tsx'

interface SecretTableProps {
  readonly secrets: readonly ListedSecret[]
  readonly onChanged: () => void
}

interface Asked {
  readonly key: string
  readonly about: 'reveal' | 'deactivate' | 'activate'
}

export function SecretTable({ secrets, onChanged }: SecretTableProps) {
  const [asked, setAsked] = useState<Asked>()
  const close = () => setAsked(undefined)
  return (
    <>
      <Table
        caption="Secrets, newest first"
        isCaptionHidden
        columns={['Name', 'State', 'Expires', 'Updated', 'Actions']}
        empty="There is no secret yet. Create one with the button above."
        rows={secrets.map((secret) => ({
          key: secret.id,
          cells: [
            <code class="name">{secret.key}</code>,
            <StateOfSecret secret={secret} />,
            timeOr(secret.expiresAt, 'never'),
            showTime(secret.updatedAt),
            <Actions secret={secret} onAsk={(about) => setAsked({ key: secret.key, about })} />,
          ],
        }))}
      />
      {asked?.about === 'reveal' ? <RevealDialog name={asked.key} onClose={close} /> : null}
      {asked?.about === 'deactivate' ? (
        <ConfirmDialog
          heading={`Deactivate ${asked.key}?`}
          verb="Deactivate"
          isDangerous
          act={() => deactivateSecret(asked.key)}
          onDone={onChanged}
          onClose={close}
        >
          <p>Callers that read this secret get "not found" from now on. Its value stays stored, encrypted, and it can be activated again here.</p>
        </ConfirmDialog>
      ) : null}
      {asked?.about === 'activate' ? (
        <ConfirmDialog heading={`Activate ${asked.key}?`} verb="Activate" act={() => activateSecret(asked.key)} onDone={onChanged} onClose={close}>
          <p>Its value can be read again from now on, unless it has expired.</p>
        </ConfirmDialog>
      ) : null}
    </>
  )
}

function StateOfSecret({ secret: { isActive, isReserved, expiresAt } }: { secret: ListedSecret }) {
  const isExpired = expiresAt !== null && Date.parse(expiresAt) <= Date.now()
  return (
    <span class="states">
      {isActive ? isExpired ? <Badge tone="warn">expired</Badge> : <Badge tone="good">active</Badge> : <Badge>inactive</Badge>}
      {isReserved ? <Badge title="It cannot be deactivated here.">reserved</Badge> : null}
    </span>
  )
}

/** Only what can be done: a value that is inactive cannot be read, and a reserved secret cannot be deactivated. */
function Actions({ secret: { key, isActive, isReserved }, onAsk }: { secret: ListedSecret; onAsk: (about: Asked['about']) => void }) {
  return (
    <span class="row-actions">
      {isActive ? (
        <button type="button" aria-label={`Reveal ${key}…`} onClick={() => onAsk('reveal')}>
          Reveal…
        </button>
      ) : (
        <button type="button" aria-label={`Activate ${key}…`} onClick={() => onAsk('activate')}>
          Activate…
        </button>
      )}
      {isActive && !isReserved ? (
        <button type="button" aria-label={`Deactivate ${key}…`} onClick={() => onAsk('deactivate')}>
          Deactivate…
        </button>
      ) : null}
    </span>
  )
}
