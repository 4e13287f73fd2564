import type { CONTRIBUTORS_MAX, EXPLAIN_OWN_USAGE, EXPLAIN_USAGE } from '../../contract/explain.ts'
import type { AnswerOf } from '../../contract/operation.ts'
import { address } from '../address/address.ts'
import { type Period, periodParameters } from '../address/period.ts'
import { linkOfSubject, type Subject } from '../address/subject.ts'
import { call } from '../calls/call.ts'
import type { AsText } from '../calls/numbers-as-text.ts'
import { useAnswer } from '../calls/use-answer.ts'
import { titleOf } from '../numbers/metric-titles.ts'
import { counted, exactWithUnit } from '../numbers/show-quantity.ts'
import { showDay, showTime } from '../numbers/show-time.ts'
import { Dialog } from '../parts/dialog.tsx'
import { ShownAnswer } from '../parts/shown-answer.tsx'
import { Table } from '../parts/table.tsx'
import { caller } from '../session/session.ts'

type Explained = AsText<AnswerOf<typeof EXPLAIN_OWN_USAGE>>

interface ExplanationProps {
  readonly subject: Subject
  readonly projectId?: string
  readonly metric: string
  readonly period: Period
  readonly onClose: () => void
}

/** Where a figure comes from: the rule, the day, the projects or events, what arrived late and what was corrected. */
export function Explanation({ subject, projectId, metric, period, onClose }: ExplanationProps) {
  const span = period.first === period.last ? showDay(period.first) : `${showDay(period.first)} – ${showDay(period.last)}`
  const key = `explain ${subject.partnerId} ${projectId ?? ''} ${metric} ${period.first} ${period.last}`
  const answer = useAnswer(key, (signal) => readExplanation({ subject, projectId, metric, period }, signal))
  return (
    <Dialog heading={`${titleOf(metric)}, ${span}`} onClose={onClose}>
      <ShownAnswer answer={answer} what="explanation">
        {(explained) => <Explained explained={explained} subject={subject} />}
      </ShownAnswer>
    </Dialog>
  )
}

interface ExplainedFigure {
  readonly subject: Subject
  readonly projectId: string | undefined
  readonly metric: string
  readonly period: Period
}

function readExplanation({ subject: { partnerId, asAdmin }, projectId, metric, period }: ExplainedFigure, signal: AbortSignal): Promise<Explained> {
  const query = { start_date: period.first, end_date: period.last, metric }
  if (asAdmin) {
    const of = projectId === undefined ? { partner: partnerId } : { project: projectId }
    return call<typeof EXPLAIN_USAGE>(caller(signal), { method: 'GET', path: '/admin/v1/explain', query: { ...query, ...of } })
  }
  const request = { params: { partnerId }, query: { ...query, ...(projectId === undefined ? {} : { project_id: projectId }) } }
  return call<typeof EXPLAIN_OWN_USAGE>(caller(signal), { method: 'GET', path: '/partnership/v1/:partnerId/usage/explain', ...request })
}

function Explained({ explained, subject }: { explained: Explained; subject: Subject }) {
  const { rule, value, unit, peak_day, events, first_event_at, last_event_at, contributors, late_arrivals, corrections, period } = explained
  return (
    <>
      <p class="exact">{exactWithUnit(value, unit)}</p>
      <p>{rule}</p>
      <ul class="facts">
        {peak_day === null || period.start.slice(0, 10) === period.end.slice(0, 10) ? null : <li>The peak was reached on {showDay(peak_day)}.</li>}
        <li>
          {counted(events, 'event')}
          {first_event_at === null || last_event_at === null ? '' : `, from ${showTime(first_event_at)} to ${showTime(last_event_at)}`}.
        </li>
      </ul>
      {'projects' in contributors ? (
        <Table
          caption={captionOf(contributors.projects.length, peak_day)}
          columns={['Project', { title: 'Value', isNumber: true }, { title: 'Events', isNumber: true }]}
          rows={contributors.projects.map(({ project_id, name, status, value: part, events: of }) => ({
            key: project_id,
            cells: [
              <a href={linkOfSubject(subject, ['projects', project_id], periodParameters(address.value.parameters))}>
                {name}
                {status === 'active' ? '' : ` (${status})`}
              </a>,
              exactWithUnit(part, unit),
              counted(of, 'event'),
            ],
          }))}
        />
      ) : (
        <>
          <Table
            caption="Its days, the greatest first"
            columns={['Day', { title: 'Value', isNumber: true }, { title: 'Events', isNumber: true }]}
            rows={contributors.days.map(({ usage_date, value: part, events: of }) => ({
              key: usage_date,
              cells: [showDay(usage_date), exactWithUnit(part, unit), counted(of, 'event')],
            }))}
          />
          <Table
            caption="Its events, the greatest first"
            columns={['Event', { title: 'Value', isNumber: true }, 'Time', 'Received']}
            rows={contributors.events.map(({ event_id, value: part, timestamp, received_at }) => ({
              key: event_id,
              cells: [<code>{event_id}</code>, exactWithUnit(part, unit), showTime(timestamp), showTime(received_at)],
            }))}
          />
        </>
      )}
      <LateArrivals late={late_arrivals} unit={unit} />
      <Corrections corrections={corrections} unit={unit} />
    </>
  )
}

function Corrections({ corrections: { all, latest }, unit }: { corrections: Explained['corrections']; unit: string }) {
  if (all === '0') return null
  const shown = (value: string | null, text: string | undefined) => (value === null ? 'void' : (text ?? exactWithUnit(value, unit)))
  return (
    <>
      <p>{counted(all, 'correction')} changed what its events count.</p>
      <Table
        caption="The last corrections"
        columns={['Project', 'Event', { title: 'Before', isNumber: true }, { title: 'After', isNumber: true }, 'Reason', 'Received']}
        rows={latest.map(({ project_id, event_id, corrects, before, after, text, reason, received_at, after_closing }) => ({
          key: `${project_id} ${event_id}`,
          cells: [
            project_id,
            <code>{corrects}</code>,
            shown(before, text),
            shown(after, text),
            reason,
            `${showTime(received_at)}${after_closing ? ', after the month was closed: billed as an adjustment' : ''}`,
          ],
        }))}
      />
    </>
  )
}

/** As many as the service lists: there may be more, so the lines need not add up to the value. */
const LISTED_MAX: typeof CONTRIBUTORS_MAX = 20

function captionOf(listed: number, peakDay: string | null): string {
  const which = listed === LISTED_MAX ? `The ${LISTED_MAX} projects that used most` : 'The projects that used it, the greatest first'
  return peakDay === null ? which : `${which}, on ${showDay(peakDay)}`
}

function LateArrivals({ late, unit }: { late: Explained['late_arrivals']; unit: string }) {
  if (late.events === '0') return <p class="hint">Nothing arrived after its day was over.</p>
  return (
    <>
      <p>
        {counted(late.events, 'event')} arrived after {late.events === '1' ? 'its day was' : 'their days were'} over and changed the figure by{' '}
        {exactWithUnit(late.value, unit)}.
      </p>
      <Table
        caption="The last ones that arrived late"
        columns={['Project', 'Event', { title: 'Value', isNumber: true }, 'Time', 'Received']}
        rows={late.latest.map(({ project_id, event_id, value, timestamp, received_at, after_closing }) => ({
          key: `${project_id} ${event_id}`,
          cells: [
            project_id,
            <code>{event_id}</code>,
            exactWithUnit(value, unit),
            showTime(timestamp),
            `${showTime(received_at)}${after_closing ? ', after the month was closed: billed as an adjustment' : ''}`,
          ],
        }))}
      />
    </>
  )
}
