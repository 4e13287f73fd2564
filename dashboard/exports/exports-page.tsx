import { useState } from 'preact/hooks'
import type { EXPORT_LINES } from '../../contract/exports.ts'
import { download } from '../calls/call.ts'
import { useAnswer } from '../calls/use-answer.ts'
import { ShownAnswer } from '../parts/shown-answer.tsx'
import { caller } from '../session/session.ts'
import { ExportForm, type ExportQuery } from './export-form.tsx'
import { ExportOutcome } from './export-outcome.tsx'
import { FORMAT_NAMES } from './format-names.ts'
import { ManifestSummary, ManifestTable } from './manifest-table.tsx'
import { readManifest } from './read-manifest.ts'
import { useExport } from './use-export.ts'

/** Statements or usage of all partners, or of one, as a file. */
export function ExportsPage() {
  const { shown, isBusy, start, cancel } = useExport()
  const [counted, setCounted] = useState<ExportQuery>()
  const startDownload = (query: ExportQuery) => {
    setCounted(undefined)
    start(FORMAT_NAMES[query.format], (signal) => download<typeof EXPORT_LINES>(caller(signal), { method: 'GET', path: '/admin/v1/exports', query }))
  }
  return (
    <>
      <div class="heading">
        <h1>Exports</h1>
      </div>
      <ExportForm
        isBusy={isBusy}
        onDownload={startDownload}
        onCount={(query) => {
          cancel()
          setCounted(query)
        }}
      />
      <ExportOutcome shown={shown} onCancel={cancel} />
      {shown.state === 'saved' ? <ManifestTable totals={shown.fetched.manifest.totals} /> : null}
      {counted === undefined ? null : <Counted key={JSON.stringify(counted)} query={counted} />}
    </>
  )
}

/** What the file would contain now, without the file. */
function Counted({ query }: { query: ExportQuery }) {
  const manifest = useAnswer('manifest', (signal) => readManifest(query, signal))
  return (
    <ShownAnswer answer={manifest} what="manifest">
      {(read) => <ManifestSummary manifest={read} />}
    </ShownAnswer>
  )
}
