import { CopyButton } from './copy-button.tsx'

const CHARACTERS_SHOWN = 8

/** The beginning of a long id or hash; pressing it copies the whole. */
export function ShortenedId({ id, what }: { id: string; what: string }) {
  return (
    <span class="shortened">
      <code title={id}>{id.length <= CHARACTERS_SHOWN ? id : `${id.slice(0, CHARACTERS_SHOWN)}…`}</code>
      <CopyButton text={id}>{`Copy ${what}`}</CopyButton>
    </span>
  )
}
