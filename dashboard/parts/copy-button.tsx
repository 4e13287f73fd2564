import { useState } from 'preact/hooks'

interface CopyButtonProps {
  readonly text: string
  readonly children: string
}

/** Copies a text; says so where it was pressed, and to screen readers. */
export function CopyButton({ text, children }: CopyButtonProps) {
  const [outcome, setOutcome] = useState('')
  const copy = async () => {
    try {
      // On plain http there is no clipboard.
      await navigator.clipboard.writeText(text)
      setOutcome('Copied')
    } catch {
      setOutcome('Not copied: the browser does not allow it')
    }
  }
  return (
    <span class="copy">
      <button type="button" class="quiet" onClick={copy} onBlur={() => setOutcome('')} title={text}>
        {children}
      </button>
      <span role="status">{outcome}</span>
    </span>
  )
}
