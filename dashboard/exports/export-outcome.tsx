import { counted, withUnit } from '../numbers/show-quantity.ts'
import { showTime } from '../numbers/show-time.ts'
import { CopyButton } from '../parts/copy-button.tsx'
import { Notice } from '../parts/notice.tsx'
import { saveFile } from '../parts/save-file.ts'
import { Failure } from '../parts/shown-answer.tsx'
import { type FetchedExport, manifestFile } from './fetch-export.ts'
import type { ExportState } from './use-export.ts'

interface ExportOutcomeProps {
  readonly shown: ExportState
  readonly onCancel: () => void
}

/** How a download goes, and what was saved. */
export function ExportOutcome({ shown, onCancel }: ExportOutcomeProps) {
  return (
    <div class="export-outcome no-print">
      <div role="status">
        {shown.state === 'loading' ? (
          <Notice>
            Reading {shown.what}: {shown.bytes === 0 ? 'the service is preparing the file…' : `${withUnit(String(shown.bytes), 'byte')} so far…`}{' '}
            <button type="button" onClick={onCancel}>
              Cancel
            </button>
          </Notice>
        ) : null}
        {shown.state === 'saved' ? <Saved fetched={shown.fetched} /> : null}
      </div>
      {shown.state === 'failed' ? <Failure failure={shown.failure} what="file" /> : null}
    </div>
  )
}

function Saved({ fetched }: { fetched: FetchedExport }) {
  const { name, file, manifest, sha256 } = fetched
  const described = manifestFile(fetched)
  return (
    <Notice tone="good">
      <strong>
        <code>{name}</code> is saved
      </strong>
      <p>
        {counted(manifest.rows, 'row')}, {counted(file.size, 'byte')}, complete to its last row.{' '}
        {manifest.status === 'closed' ? 'Closed: these rows never change.' : 'Open: usage as metered now, which may still change.'}{' '}
        {manifest.as_of === null ? 'No event was counted yet.' : `Complete as of ${showTime(manifest.as_of)}.`}
      </p>
      {sha256 === undefined ? (
        <p>This browser computes hashes on https and on localhost only, so the file has no manifest here. The command line writes both: meterline export.</p>
      ) : (
        <p>
          SHA-256 of the file{manifest.statement_sha256 === sha256 ? ', which is that of the statement,' : ''} <code>{sha256}</code>{' '}
          <CopyButton text={sha256}>Copy the hash</CopyButton>
        </p>
      )}
      {manifest.statement_sha256 === null || manifest.statement_sha256 === sha256 ? null : (
        <p>
          SHA-256 of the statement <code>{manifest.statement_sha256}</code>: that of its NDJSON file
        </p>
      )}
      {described === undefined ? null : (
        <p>
          <button type="button" onClick={() => saveFile(described, `${name}.manifest.json`)}>
            Save its manifest
          </button>{' '}
          With the manifest beside it, <code>meterline verify {name}</code> adds the file up again.
        </p>
      )}
    </Notice>
  )
}
