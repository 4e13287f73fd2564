import { useAnswer } from '../calls/use-answer.ts'
import { allDigits } from '../numbers/show-quantity.ts'
import { showDay, showTime } from '../numbers/show-time.ts'
import { PageButtons, useCursorPages } from '../parts/cursor-pages.tsx'
import { Badge } from '../parts/notice.tsx'
import { ShownAnswer } from '../parts/shown-answer.tsx'
import { Table } from '../parts/table.tsx'
import { type MonthDelivery, readDeliveries } from './read-deliveries.ts'
import { ShortHash } from './short-hash.tsx'

/** What schedules delivered of the month, for finance. */
export function MonthDeliveries({ partnerId, month }: { partnerId: string; month: string }) {
  const pages = useCursorPages()
  const answer = useAnswer(`deliveries ${pages.cursor ?? ''}`, (signal) => readDeliveries({ month, partner: partnerId, cursor: pages.cursor }, signal))
  return (
    <section class="no-print" aria-labelledby="deliveries">
      <h2 id="deliveries">Deliveries</h2>
      <ShownAnswer answer={answer} what="deliveries">
        {({ deliveries, next_cursor }) => (
          <>
            <Table
              caption="What schedules delivered of this month: files with this partner, newest revision first"
              columns={['File', 'Schedule', { title: 'Revision', isNumber: true }, 'State', { title: 'Bytes', isNumber: true }, 'SHA-256', 'Delivered', 'To']}
              empty="No schedule has delivered a file of this month."
              rows={deliveries.map(rowOf)}
            />
            <PageButtons of="deliveries" pages={pages} nextCursor={next_cursor} />
          </>
        )}
      </ShownAnswer>
    </section>
  )
}

function rowOf(delivery: MonthDelivery) {
  const { schedule_id, schedule_name, what, partner_id, day, revision, name, manifest, sha256, bytes, delivered_at, delivered_to } = delivery
  return {
    key: JSON.stringify([schedule_id, name, revision]),
    cells: [
      <span>
        {what}
        {day === null ? '' : ` of ${showDay(day)}`}, {partner_id === null ? 'all partners' : 'this partner'}
        <details>
          <summary>Names</summary>
          <code class="breakable">{name}</code> <code class="breakable">{manifest}</code>
        </details>
      </span>,
      schedule_name ?? schedule_id,
      revision,
      <State delivery={delivery} />,
      allDigits(bytes),
      <ShortHash sha256={sha256} />,
      showTime(delivered_at),
      <span class="breakable">{delivered_to ?? 'unknown'}</span>,
    ],
  }
}

function State({ delivery: { complete, billing_status } }: { delivery: MonthDelivery }) {
  if (!complete) return <Badge tone="bad">not complete</Badge>
  return billing_status === 'final' ? <Badge tone="good">final</Badge> : <Badge tone="plain">provisional</Badge>
}
