import { useEffect, useRef, useState } from 'preact/hooks'
import type { CallFailed } from '../calls/call.ts'
import { failureOf } from '../calls/use-answer.ts'
import { fetchExport } from '../exports/fetch-export.ts'
import { canHash } from '../exports/sha256.ts'
import { counted, withUnit } from '../numbers/show-quantity.ts'
import { CopyButton } from '../parts/copy-button.tsx'
import { Notice } from '../parts/notice.tsx'
import { Failure } from '../parts/shown-answer.tsx'
import { exportStatement, type MonthOfSubject } from './read-statements.ts'

/** How anybody can check the statement without this page, and with it. */
export function HowToVerify({ sha256, ...place }: MonthOfSubject & { readonly sha256: string | null }) {
  const { month, subject } = place
  const file = `meterline-${subject.partnerId}-${month}.ndjson`
  const commands = `meterline export --month ${month} --partner ${subject.partnerId} --format ndjson\nmeterline verify ${file}`
  return (
    <section class="panel" aria-labelledby="verify">
      <h2 id="verify">How to verify this statement</h2>
      <pre>{commands}</pre>
      <p class="no-print">
        <CopyButton text={commands}>Copy the commands</CopyButton>
      </p>
      <p class="hint">
        The first writes the file and its manifest. The second adds the rows up again, and compares them with the manifest and with the service.{' '}
        {sha256 === null ? (
          'Once the month is closed, the statement has a hash: the SHA-256 of this file.'
        ) : (
          <>
            The SHA-256 of the statement is the hash of the NDJSON file itself: <code>sha256sum {file}</code> prints it.
          </>
        )}
      </p>
      {sha256 === null ? null : <HashCheck {...place} sha256={sha256} />}
    </section>
  )
}

type CheckState =
  | { readonly state: 'none' }
  | { readonly state: 'loading'; readonly bytes: number }
  | { readonly state: 'done'; readonly found: string; readonly rows: string }
  | { readonly state: 'failed'; readonly failure: CallFailed }

/** Reads the NDJSON export of a closed month and compares its hash with that of the statement. */
function HashCheck({ sha256, ...place }: MonthOfSubject & { readonly sha256: string }) {
  const [shown, setShown] = useState<CheckState>({ state: 'none' })
  const running = useRef<AbortController | undefined>(undefined)
  useEffect(() => () => running.current?.abort(), [])
  if (!canHash)
    return (
      <Notice tone="warn">
        <p>This browser computes hashes on https and on localhost only, so the hash cannot be checked on this page. Use the commands above.</p>
      </Notice>
    )
  const check = () => {
    const abort = new AbortController()
    running.current = abort
    const show = (next: CheckState) => {
      if (!abort.signal.aborted) setShown(next)
    }
    show({ state: 'loading', bytes: 0 })
    exportStatement(place, 'ndjson', abort.signal)
      .then((opened) => fetchExport(opened, (bytes) => show({ state: 'loading', bytes })))
      .then(
        ({ sha256: found = '', manifest }) => show({ state: 'done', found, rows: manifest.rows }),
        (error: unknown) => !abort.signal.aborted && show({ state: 'failed', failure: failureOf(error) }),
      )
  }
  return (
    <div class="no-print">
      <button type="button" onClick={check} disabled={shown.state === 'loading'}>
        Check the hash here
      </button>
      <div role="status">
        {shown.state === 'loading' ? <Notice>Reading the NDJSON export: {withUnit(String(shown.bytes), 'byte')} so far…</Notice> : null}
        {shown.state === 'done' ? <Outcome sha256={sha256} {...shown} /> : null}
      </div>
      {shown.state === 'failed' ? <Failure failure={shown.failure} what="export" /> : null}
    </div>
  )
}

function Outcome({ sha256, found, rows }: { sha256: string; found: string; rows: string }) {
  if (found === sha256)
    return (
      <Notice tone="good">
        <strong>The hash is right</strong>
        <p>The export has {counted(rows, 'row')}, and its SHA-256, computed in this browser, is that of the statement.</p>
      </Notice>
    )
  return (
    <Notice tone="bad">
      <strong>The hash is another one</strong>
      <p>
        The export has the SHA-256 <code>{found}</code>, the statement says <code>{sha256}</code>. Keep the file and report it.
      </p>
    </Notice>
  )
}
