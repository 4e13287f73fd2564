import type { ComponentChildren } from 'preact'
import { useRef } from 'preact/hooks'
import type { CallFailed } from '../calls/call.ts'
import { closeDialogOf } from './close-dialog.ts'
import { Dialog } from './dialog.tsx'
import { DialogActions } from './dialog-actions.tsx'

interface FormDialogProps {
  readonly heading: string
  readonly verb: string
  readonly isBusy: boolean
  /** What is not shown beside a field. */
  readonly failure: CallFailed | undefined
  /** Whether it was done; the dialog is closed then. */
  readonly onSubmit: (fields: FormData) => Promise<boolean>
  /** After it was done; the dialog is closed before, so that the focus returns. */
  readonly onDone?: () => void
  readonly onClose: () => void
  readonly children: ComponentChildren
}

/** A form over the page, which stays open with the reason if the service does not accept it. */
export function FormDialog({ heading, verb, isBusy, failure, onSubmit, onDone, onClose, children }: FormDialogProps) {
  const form = useRef<HTMLFormElement>(null)
  const submit = async (event: SubmitEvent) => {
    event.preventDefault()
    if (await onSubmit(new FormData(event.currentTarget as HTMLFormElement))) {
      closeDialogOf(form.current)
      onDone?.()
    }
    // The field with a problem may be out of sight, above the button.
    else requestAnimationFrame(() => form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus())
  }
  return (
    <Dialog heading={heading} onClose={onClose}>
      <form ref={form} onSubmit={submit}>
        {children}
        <DialogActions verb={verb} isBusy={isBusy} failure={failure} />
      </form>
    </Dialog>
  )
}
