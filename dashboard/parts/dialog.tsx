import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'

interface DialogProps {
  readonly heading: string
  readonly onClose: () => void
  readonly children: ComponentChildren
}

/** Opens over the page. The browser keeps the focus inside, closes it with Escape, and returns the focus where it was. */
export function Dialog({ heading, onClose, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    dialog.current?.showModal()
  }, [])
  return (
    <dialog
      ref={dialog}
      aria-label={heading}
      onClose={onClose}
      onCancel={(event) => {
        // Escape must not take away what is shown once; the button does.
        if (dialog.current?.querySelector('[data-shown-once]') != null) event.preventDefault()
      }}
    >
      <header>
        <h2>{heading}</h2>
        <button type="button" class="quiet" onClick={() => dialog.current?.close()}>
          Close window
        </button>
      </header>
      {children}
    </dialog>
  )
}
