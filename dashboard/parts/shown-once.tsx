import { CopyButton } from './copy-button.tsx'
import { Notice } from './notice.tsx'
import { ShownText } from './shown-text.tsx'

interface ShownOnceProps {
  /** Such as "ingest key". */
  readonly what: string
  readonly value: string
}

/** A credential that the service answers with once and stores only as a hash. */
export function ShownOnce({ what, value }: ShownOnceProps) {
  return (
    <div class="shown-once" data-shown-once>
      <Notice tone="warn">
        <strong>This {what} is shown only now.</strong>
        <p>Copy it to where it is needed before you close this; it cannot be shown again.</p>
      </Notice>
      <ShownText label={`The new ${what}`} text={value} />
      <CopyButton text={value}>{`Copy the ${what}`}</CopyButton>
    </div>
  )
}
