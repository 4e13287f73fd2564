import { useEffect, useRef } from 'preact/hooks'

interface ShownTextProps {
  readonly label: string
  readonly text: string
}

const ROWS_MIN = 3
const ROWS_MAX = 18
const CHARACTERS_PER_ROW = 60

/** A text to its last character, which can be selected, and scrolled with the keyboard. */
export function ShownText({ label, text }: ShownTextProps) {
  const rows = text.split('\n').reduce((total, line) => total + Math.max(1, Math.ceil(line.length / CHARACTERS_PER_ROW)), 0)
  const area = useRef<HTMLTextAreaElement>(null)
  // It often takes the place of the button that was pressed, which had the focus.
  useEffect(() => area.current?.focus(), [])
  return (
    <textarea ref={area} class="shown-text" readOnly aria-label={label} rows={Math.min(Math.max(rows, ROWS_MIN), ROWS_MAX)} value={text} spellcheck={false} />
  )
}
