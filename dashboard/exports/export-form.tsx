import { useState } from 'preact/hooks'
import { EXPORT_FORMAT_NAMES, EXPORT_FORMATS, type ExportFormat, FOCUS_VERSION_DEFAULT, FOCUS_VERSIONS, isFocus } from '../../contract/export-formats.ts'
import type { EXPORT_LINES } from '../../contract/exports.ts'
import type { RequestInput } from '../../contract/operation.ts'
import { addMonths, dayOf, isMonth } from '../address/period.ts'
import { useAnswer } from '../calls/use-answer.ts'
import { readPartners } from '../partners/read-partners.ts'
import { Notice } from '../parts/notice.tsx'
import { FORMAT_NAMES, isCsv } from './format-names.ts'

export type ExportQuery = NonNullable<RequestInput<typeof EXPORT_LINES>['query']> & { readonly format: ExportFormat }

interface ExportFormProps {
  readonly isBusy: boolean
  readonly onDownload: (query: ExportQuery) => void
  readonly onCount: (query: ExportQuery) => void
}

/** Chooses what is exported, and how it is written. */
export function ExportForm({ isBusy, onDownload, onCount }: ExportFormProps) {
  const [span, setSpan] = useState<'month' | 'days'>('month')
  const [format, setFormat] = useState<ExportFormat>('csv')
  const [problem, setProblem] = useState('')
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    const query = readQuery(new FormData(event.currentTarget as HTMLFormElement), span, format)
    setProblem(typeof query === 'string' ? query : '')
    if (typeof query === 'string') return
    if (event.submitter?.getAttribute('value') === 'count') onCount(query)
    else onDownload(query)
  }
  return (
    <form class="panel export-form" onSubmit={submit}>
      <SpanFields span={span} onChange={setSpan} />
      <div class="filters">
        <PartnerField />
        <label>
          Format
          <select value={format} onChange={(event) => setFormat(event.currentTarget.value as ExportFormat)}>
            {EXPORT_FORMAT_NAMES.map((name) => (
              <option key={name} value={name}>
                {FORMAT_NAMES[name]}
              </option>
            ))}
          </select>
        </label>
        {isFocus(format) ? <FocusField /> : null}
      </div>
      <ByteDaysField format={format} />
      {isCsv(format) ? <CsvFields /> : null}
      <div role="alert">{problem === '' ? null : <Notice tone="bad">{problem}</Notice>}</div>
      <div class="actions">
        <button type="submit" name="act" value="download" class="main" disabled={isBusy}>
          Download
        </button>
        <button type="submit" name="act" value="count" disabled={isBusy}>
          Show the totals only
        </button>
      </div>
    </form>
  )
}

function SpanFields({ span, onChange }: { span: 'month' | 'days'; onChange: (span: 'month' | 'days') => void }) {
  const today = dayOf(Date.now())
  const thisMonth = today.slice(0, 7)
  return (
    <>
      <fieldset class="choice">
        <legend>What</legend>
        <label>
          <input type="radio" name="span" checked={span === 'month'} onChange={() => onChange('month')} />
          <span>
            Statements of a month <small>what is billed, adjustments included; of an open month, what is metered so far</small>
          </span>
        </label>
        <label>
          <input type="radio" name="span" checked={span === 'days'} onChange={() => onChange('days')} />
          <span>
            Usage of days <small>as metered so far</small>
          </span>
        </label>
      </fieldset>
      <div class="filters">
        {span === 'month' ? (
          <label>
            Month
            <input type="month" name="month" required max={thisMonth} defaultValue={addMonths(thisMonth, -1)} placeholder="2026-01" />
          </label>
        ) : (
          <>
            <label>
              First day
              <input type="date" name="from" required max={today} defaultValue={`${thisMonth}-01`} />
            </label>
            <label>
              Last day
              <input type="date" name="to" required max={today} defaultValue={today} />
            </label>
          </>
        )}
      </div>
    </>
  )
}

/** The first partners by name are offered; of more than a page any id can be typed. */
function PartnerField() {
  const partners = useAnswer('partners', (signal) => readPartners(undefined, signal))
  return (
    <label>
      Partner
      <input name="partner" list="partners" autocomplete="off" spellcheck={false} placeholder="all partners" />
      <datalist id="partners">
        {partners.state === 'ready' ? partners.value.partners.map(({ id, name }) => <option key={id} value={id} label={name} />) : null}
      </datalist>
      <small>Its id; empty: all partners.</small>
    </label>
  )
}

function FocusField() {
  return (
    <label>
      Version of FOCUS
      <select name="focus">
        {FOCUS_VERSIONS.map((version) => (
          <option key={version} value={version} selected={version === FOCUS_VERSION_DEFAULT}>
            {version}
          </option>
        ))}
      </select>
    </label>
  )
}

function ByteDaysField({ format }: { format: ExportFormat }) {
  const { rows } = EXPORT_FORMATS[format]
  if (rows === 'months') return null
  return (
    <label class="check">
      <input type="checkbox" name="byte-days" />
      {rows === 'lines' ? (
        <span>
          Byte-days <small>two more columns: the sum of the days of each peak, and the days with samples</small>
        </span>
      ) : (
        <span>
          Charge peaks by byte-days <small>the sum of the days, instead of the greatest day</small>
        </span>
      )}
    </label>
  )
}

/** What asks for byte-days in a format; nothing where there are none. */
function byteDaysQuery(format: ExportFormat): Pick<ExportQuery, 'include' | 'quantity'> {
  const { rows } = EXPORT_FORMATS[format]
  return rows === 'lines' ? { include: 'byte_days' } : rows === 'charges' ? { quantity: 'byte_days' } : {}
}

function CsvFields() {
  return (
    <fieldset class="choice csv">
      <legend>CSV</legend>
      <label class="check">
        <input type="checkbox" name="guard" defaultChecked />
        <span>
          Guard for spreadsheets <small>an apostrophe in front of texts that would run as formulas</small>
        </span>
      </label>
      <label class="check">
        <input type="checkbox" name="bom" />
        <span>
          Byte order mark <small>by which spreadsheets recognize UTF-8</small>
        </span>
      </label>
    </fieldset>
  )
}

/** The query of the form, or what is wrong with it. */
function readQuery(fields: FormData, span: 'month' | 'days', format: ExportFormat): ExportQuery | string {
  const text = (name: string) => String(fields.get(name) ?? '').trim()
  const partner = text('partner') === '' ? undefined : text('partner')
  const csv = isCsv(format) ? ({ guard: fields.has('guard') ? 'on' : 'off', bom: fields.has('bom') ? 'true' : 'false' } as const) : {}
  const focus = isFocus(format) ? { focus: FOCUS_VERSIONS.find((version) => version === text('focus')) } : {}
  const shape = { partner, format, ...focus, ...(fields.has('byte-days') ? byteDaysQuery(format) : {}), ...csv }
  if (span === 'month') return isMonth(text('month')) ? { month: text('month'), ...shape } : 'Write the month as 2026-01.'
  const [from, to] = [text('from'), text('to')]
  return from > to ? 'The first day is after the last one.' : { from, to, ...shape }
}
