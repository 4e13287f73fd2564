import type { CallFailed } from '../calls/call.ts'
import { ActionFailure } from './action-failure.tsx'
import { closeDialogOf } from './close-dialog.ts'

interface DialogActionsProps {
  /** What the button says, such as "Revoke". */
  readonly verb: string
  readonly isBusy: boolean
  /** Why it was not done, so that the dialog stays open. */
  readonly failure: CallFailed | undefined
  readonly isDangerous?: boolean
  /** Undefined: the button submits the form around it. */
  readonly onAct?: () => unknown
}

/** The end of a dialog that changes something: the reason if it failed, the button that does it, and Cancel. */
export function DialogActions({ verb, isBusy, failure, isDangerous = false, onAct }: DialogActionsProps) {
  return (
    <>
      <ActionFailure failure={failure} />
      <div class="actions">
        <button type={onAct === undefined ? 'submit' : 'button'} class={isDangerous ? 'danger' : 'main'} disabled={isBusy} onClick={onAct}>
          {isBusy ? 'Please wait…' : verb}
        </button>
        <button type="button" onClick={(event) => closeDialogOf(event.currentTarget)}>
          Cancel
        </button>
      </div>
    </>
  )
}
