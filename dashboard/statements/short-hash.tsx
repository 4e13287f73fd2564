import { CopyButton } from '../parts/copy-button.tsx'

const SHOWN_CHARACTERS = 12

/** The hash of a closed statement, shortened, with a button that copies all of it. */
export function ShortHash({ sha256 }: { sha256: string }) {
  return (
    <span class="hash">
      <code title={sha256}>{sha256.slice(0, SHOWN_CHARACTERS)}…</code> <CopyButton text={sha256}>Copy hash</CopyButton>
    </span>
  )
}
