import { showTime } from '../../numbers/show-time.ts'
import { CopyButton } from '../../parts/copy-button.tsx'
import { Dialog } from '../../parts/dialog.tsx'
import { Notice } from '../../parts/notice.tsx'
import { ShownText } from '../../parts/shown-text.tsx'
import type { RejectedEvent } from './read-rejected.ts'
import { REASON_MEANINGS } from './reason-meanings.ts'

/** The event as it was received, to the last byte. */
export function OriginalDialog({ event, onClose }: { event: RejectedEvent; onClose: () => void }) {
  const { id, event_id, reason, message, received_at, original } = event
  return (
    <Dialog heading={`Rejected event ${event_id === '' ? id : event_id}`} onClose={onClose}>
      <p>
        <code>{reason}</code> {message}
      </p>
      <p>{REASON_MEANINGS[reason]}</p>
      <p class="hint">
        Received {showTime(received_at)}, kept as <code>{id}</code>.
      </p>
      {original === '' ? (
        <Notice tone="warn">
          The event is not kept whole: its ingest key had more rejected events on that day than are kept, or the same bytes were rejected before and are kept
          there. Send it again from the emitter.
        </Notice>
      ) : (
        <>
          <ShownText label="The event as it was received" text={original} />
          <CopyButton text={original}>Copy the event</CopyButton>
        </>
      )}
    </Dialog>
  )
}
