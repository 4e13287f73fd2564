import { REJECT_REASONS, type RejectReason } from '../../../metering/rejection-reasons.ts'
import { address, setParameters } from '../../address/address.ts'
import { useAnswer } from '../../calls/use-answer.ts'
import { allDigits } from '../../numbers/show-quantity.ts'
import { Choice } from '../../parts/choice.tsx'
import { ShownAnswer } from '../../parts/shown-answer.tsx'
import { Table } from '../../parts/table.tsx'
import { hasRole } from '../../session/session.ts'
import { RANGE_TITLES, rangeOf, readReport } from '../health/read-report.ts'
import type { RejectedEvent } from './read-rejected.ts'
import { REASON_MEANINGS } from './reason-meanings.ts'

interface ReasonsProps {
  readonly events: readonly RejectedEvent[]
  readonly chosen: RejectReason | undefined
  readonly isOnlyPage: boolean
}

/** How many events of the page have each reason, by which they can be filtered; and how many of a range, for who may read it. */
export function Reasons(props: ReasonsProps) {
  return (
    <section aria-label="Reasons">
      <ReasonFilter {...props} />
      {hasRole('operator') ? <ReasonsOfRange /> : null}
      {props.chosen === undefined ? null : <p class="hint">{REASON_MEANINGS[props.chosen]}</p>}
    </section>
  )
}

function ReasonFilter({ events, chosen, isOnlyPage }: ReasonsProps) {
  const count = (reason: RejectReason) => events.filter((event) => event.reason === reason).length
  const where = isOnlyPage ? '' : ' on this page'
  return (
    <fieldset class="reasons">
      <legend class="visually-hidden">Filter by reason{where}</legend>
      <button type="button" aria-pressed={chosen === undefined} onClick={() => setParameters({ reason: undefined })}>
        All{where}: {allDigits(String(events.length))}
      </button>
      {REJECT_REASONS.filter((reason) => count(reason) > 0 || reason === chosen).map((reason) => (
        <button type="button" key={reason} aria-pressed={reason === chosen} title={REASON_MEANINGS[reason]} onClick={() => setParameters({ reason })}>
          {reason}: {allDigits(String(count(reason)))}
        </button>
      ))}
    </fieldset>
  )
}

function ReasonsOfRange() {
  const range = rangeOf(address.value.parameters)
  const report = useAnswer(`reasons ${range}`, (signal) => readReport(range, signal))
  return (
    <details class="panel">
      <summary>Rejected events by reason in a range</summary>
      <Choice label="Range" parameter="range" value={range} options={RANGE_TITLES} />
      <ShownAnswer answer={report} what="counts">
        {({ activity }) => (
          <Table
            caption={`Rejected events by reason, ${RANGE_TITLES[range].toLowerCase()}`}
            columns={['Reason', 'What it means', { title: 'Events', isNumber: true }]}
            empty="No event was rejected in this range."
            rows={activity.rejected.map(({ reason, events }) => ({
              key: reason,
              cells: [<code>{reason}</code>, REASON_MEANINGS[reason], <span data-rejected={reason}>{allDigits(events)}</span>],
            }))}
          />
        )}
      </ShownAnswer>
    </details>
  )
}
