import type { ComponentChildren } from 'preact'
import { useRef } from 'preact/hooks'
import { closeDialogOf } from './close-dialog.ts'
import { Dialog } from './dialog.tsx'
import { DialogActions } from './dialog-actions.tsx'
import { useAction } from './use-action.ts'

interface ConfirmDialogProps {
  readonly heading: string
  /** What the button says, such as "Revoke". */
  readonly verb: string
  readonly isDangerous?: boolean
  readonly act: () => Promise<unknown>
  /** After it was done; the dialog is closed before. */
  readonly onDone: () => void
  readonly onClose: () => void
  /** What will happen. */
  readonly children: ComponentChildren
}

/** Asks before a change that is hard to undo, and stays open with the reason if it fails. */
export function ConfirmDialog({ heading, verb, isDangerous = false, act, onDone, onClose, children }: ConfirmDialogProps) {
  const action = useAction<true>()
  const body = useRef<HTMLDivElement>(null)
  const confirm = async () => {
    const isDone = await action.run(async () => {
      await act()
      return true
    })
    if (isDone === undefined) return
    closeDialogOf(body.current)
    onDone()
  }
  return (
    <Dialog heading={heading} onClose={onClose}>
      <div ref={body}>
        {children}
        <DialogActions verb={verb} isBusy={action.isBusy} failure={action.failure} isDangerous={isDangerous} onAct={confirm} />
      </div>
    </Dialog>
  )
}
