import { useRef } from 'preact/hooks'
import { closeDialogOf } from '../../parts/close-dialog.ts'
import { CopyButton } from '../../parts/copy-button.tsx'
import { Dialog } from '../../parts/dialog.tsx'
import { DialogActions } from '../../parts/dialog-actions.tsx'
import { ShownText } from '../../parts/shown-text.tsx'
import { useAction } from '../../parts/use-action.ts'
import { revealSecret } from './read-secrets.ts'

/** Asks first, because reading is recorded. The value is held only while this is open. */
export function RevealDialog({ name, onClose }: { name: string; onClose: () => void }) {
  const action = useAction<string>()
  const body = useRef<HTMLDivElement>(null)
  const close = () => closeDialogOf(body.current)
  return (
    <Dialog heading={action.result === undefined ? `Reveal ${name}?` : name} onClose={onClose}>
      <div ref={body}>
        {action.result === undefined ? (
          <>
            <p>
              The audit log will record that you have read this value, and when. It is shown on this screen until you hide it: make sure that no one looks over
              your shoulder.
            </p>
            <DialogActions verb="Reveal" isBusy={action.isBusy} failure={action.failure} onAct={() => action.run(() => revealSecret(name))} />
          </>
        ) : (
          <>
            <p role="status">The value is shown. Reading it was recorded.</p>
            <ShownText label={`Value of ${name}`} text={action.result} />
            <div class="actions">
              <CopyButton text={action.result}>Copy the value</CopyButton>
              <button type="button" class="main" onClick={close}>
                Hide
              </button>
            </div>
          </>
        )}
      </div>
    </Dialog>
  )
}
