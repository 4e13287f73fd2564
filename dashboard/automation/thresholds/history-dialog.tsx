import type { Subject } from '../../address/subject.ts'
import { useAnswer } from '../../calls/use-answer.ts'
import { titleOf } from '../../numbers/metric-titles.ts'
import { exactWithUnit } from '../../numbers/show-quantity.ts'
import { showMonth, showTime } from '../../numbers/show-time.ts'
import { PageButtons, useCursorPages } from '../../parts/cursor-pages.tsx'
import { Dialog } from '../../parts/dialog.tsx'
import { Badge } from '../../parts/notice.tsx'
import { ShownAnswer } from '../../parts/shown-answer.tsx'
import { Table } from '../../parts/table.tsx'
import { readCrossings, type Threshold } from './call-thresholds.ts'

interface HistoryDialogProps {
  readonly subject: Subject
  readonly threshold: Threshold
  readonly onClose: () => void
}

/** When usage crossed the levels of a threshold. Each crossing was one message. */
export function HistoryDialog({ subject, threshold: { id, metric, unit }, onClose }: HistoryDialogProps) {
  const pages = useCursorPages()
  const { cursor } = pages
  const crossings = useAnswer(`crossings ${id} ${cursor ?? ''}`, (signal) => readCrossings(subject, { thresholdId: id, cursor }, signal))
  return (
    <Dialog heading={`Crossings of ${titleOf(metric)}`} onClose={onClose}>
      <p class="hint">
        Of <code>{id}</code>. Each is one message to your webhooks.
      </p>
      <ShownAnswer answer={crossings} what="history">
        {({ history, next_cursor }) => (
          <>
            <Table
              caption="Crossings, newest first"
              columns={['Time', 'Month', 'Level', 'What happened', { title: 'Usage', isNumber: true }]}
              empty="Usage has crossed none of its levels yet."
              rows={history.map(({ message_id, month, level, number, state, value, at }) => ({
                key: message_id,
                cells: [
                  showTime(at),
                  showMonth(month),
                  level,
                  <span>
                    <Badge tone={state === 'alarm' ? 'warn' : 'good'}>{state === 'alarm' ? 'reached' : 'below again'}</Badge>
                    {number === '1' ? '' : ` crossing ${number}`}
                  </span>,
                  exactWithUnit(value, unit),
                ],
              }))}
            />
            <PageButtons of="crossings" pages={pages} nextCursor={next_cursor} />
          </>
        )}
      </ShownAnswer>
    </Dialog>
  )
}
