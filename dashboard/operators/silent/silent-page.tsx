import type { LIST_SILENT_PROJECTS } from '../../../contract/silent-projects.ts'
import { address } from '../../address/address.ts'
import { call } from '../../calls/call.ts'
import { useAnswer } from '../../calls/use-answer.ts'
import { titleOf } from '../../numbers/metric-titles.ts'
import { counted } from '../../numbers/show-quantity.ts'
import { showDay, showTime } from '../../numbers/show-time.ts'
import { Choice, chosenOf } from '../../parts/choice.tsx'
import { Notice } from '../../parts/notice.tsx'
import { PageHeading, refreshOf } from '../../parts/page-heading.tsx'
import { ShownAnswer } from '../../parts/shown-answer.tsx'
import { Table } from '../../parts/table.tsx'
import { caller } from '../../session/session.ts'

const DAYS_TITLES = { '3': '3 days', '7': '7 days', '14': '14 days', '30': '30 days', '60': '60 days' } as const
type Days = keyof typeof DAYS_TITLES

/** The projects that sent a metric every day and stopped. */
export function SilentPage() {
  const days = chosenOf(address.value.parameters['days'], Object.keys(DAYS_TITLES) as Days[], '7')
  const silent = useAnswer(`silent ${days}`, (signal) =>
    call<typeof LIST_SILENT_PROJECTS>(caller(signal), { method: 'GET', path: '/admin/v1/silent-projects', query: { days: Number(days) } }),
  )
  return (
    <>
      <PageHeading
        title="Silent emitters"
        lead={`Projects that sent a metric on each of ${days} days in a row and have stopped for at least one whole day. What is not sent is not billed.`}
        {...refreshOf(silent)}
      >
        <Choice label="Sent before on each of" parameter="days" value={days} options={DAYS_TITLES} />
      </PageHeading>
      <ShownAnswer answer={silent} what="silent emitters">
        {({ silent: found, truncated }) => (
          <>
            {truncated ? <Notice tone="warn">There are more than are listed here. Choose more days before, to see the steadiest ones.</Notice> : null}
            {found.length === 0 ? null : <p>Check the emitter of each: it may have failed, lost its key, or been switched off.</p>}
            <Table
              caption="Projects that stopped sending a metric"
              columns={['Project', 'Metric', 'Partner', 'Last day', { title: 'Silent for', isNumber: true }, 'Last event']}
              empty={`No emitter that sent every day for ${days} days has stopped. No action is needed.`}
              rows={found.map(({ project_id, partner_id, metric, last_day, silent_days, last_event_at }) => ({
                key: `${project_id} ${metric}`,
                cells: [
                  project_id,
                  <span>
                    {titleOf(metric)} <code>{metric}</code>
                  </span>,
                  partner_id ?? 'not registered',
                  showDay(last_day),
                  counted(silent_days, 'day'),
                  showTime(last_event_at),
                ],
              }))}
            />
          </>
        )}
      </ShownAnswer>
    </>
  )
}
