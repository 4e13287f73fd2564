import type { ComponentChildren } from 'preact'
import { useRef } from 'preact/hooks'
import type { CallFailed } from '../calls/call.ts'
import { ActionFailure } from './action-failure.tsx'
import { closeDialogOf } from './close-dialog.ts'
import { Dialog } from './dialog.tsx'

interface FormDialogProps {
  readonly heading: string
  readonly verb: string
  readonly isBusy: boolean
  /** What is not shown beside a field. */
  readonly failure: CallFailed | undefined
  /** Whether it was done; the dialog is closed then. */
  readonly onSubmit: (fields: FormData) => Promise<boolean>
  readonly onClose: () => void
  readonly children: ComponentChildren
}

/** A form over the page, which stays open with the reason if the service does not accept it. */
export function FormDialog({ heading, verb, isBusy, failure, onSubmit, onClose, children }: FormDialogProps) {
  const form = useRef<HTMLFormElement>(null)
  const submit = async (event: SubmitEvent) => {
    event.preventDefault()
    if (await onSubmit(new FormData(event.currentTarget as HTMLFormElement))) closeDialogOf(form.current)
    // The field with a problem may be out of sight, above the button.
    else requestAnimationFrame(() => form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus())
  }
  return (
    <Dialog heading={heading} onClose={onClose}>
      <form ref={form} onSubmit={submit}>
        {children}
        <ActionFailure failure={failure} />
        <div class="actions">
          <button type="submit" class="main" disabled={isBusy}>
            {isBusy ? 'Please wait…' : verb}
          </button>
          <button type="button" onClick={() => closeDialogOf(form.current)}>
            Cancel
          </button>
        </div>
      </form>
    </Dialog>
  )
}
