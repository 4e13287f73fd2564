import type { CallFailed } from '../calls/call.ts'
import { Notice } from './notice.tsx'

/** Why a change was not made. Empty until then, so that screen readers notice it. */
export function ActionFailure({ failure }: { failure: CallFailed | undefined }) {
  return (
    <div role="alert">
      {failure === undefined ? null : (
        <Notice tone="bad">
          <strong>{failure.status === 0 || failure.status >= 500 ? 'It is not known whether this was done' : 'This was not done'}</strong>
          <p>{failure.message}</p>
          {failure.status === 0 || failure.status >= 500 ? <p>Close this and refresh the page to see whether it was.</p> : null}
          {failure.requestId === undefined ? null : (
            <p class="hint">
              Request id <code>{failure.requestId}</code>
            </p>
          )}
        </Notice>
      )}
    </div>
  )
}
