import { EXPORT_FORMAT_NAMES, EXPORT_FORMATS } from '../../contract/export-formats.ts'
import { ExportOutcome } from '../exports/export-outcome.tsx'
import { FORMAT_NAMES } from '../exports/format-names.ts'
import { useExport } from '../exports/use-export.ts'
import { exportStatement, type MonthOfSubject } from './read-statements.ts'

/** The statement as a file, in every format. */
export function Downloads(place: MonthOfSubject) {
  const { shown, isBusy, start, cancel } = useExport()
  return (
    <section class="panel no-print" aria-labelledby="downloads">
      <h2 id="downloads">Download</h2>
      <p class="hint">
        Lines of projects with all digits. FOCUS is the format of cost tools; CSV files protect spreadsheets from texts that would run as formulas.
      </p>
      <div class="actions">
        {EXPORT_FORMAT_NAMES.map((format) => (
          <button
            type="button"
            key={format}
            disabled={isBusy}
            title={`.${EXPORT_FORMATS[format].extension}`}
            onClick={() => start(FORMAT_NAMES[format], (signal) => exportStatement(place, format, signal))}
          >
            {FORMAT_NAMES[format]}
          </button>
        ))}
      </div>
      <ExportOutcome shown={shown} onCancel={cancel} />
    </section>
  )
}
