import { useState } from 'preact/hooks'
import { linkTo } from '../address/address.ts'
import { useAnswer } from '../calls/use-answer.ts'
import { counted } from '../numbers/show-quantity.ts'
import { showMonth } from '../numbers/show-time.ts'
import { NoPartners } from '../partners/partners-page.tsx'
import { PageButtons, useCursorPages } from '../parts/cursor-pages.tsx'
import { Notice } from '../parts/notice.tsx'
import { RefreshButton } from '../parts/refresh-button.tsx'
import { ShownAnswer } from '../parts/shown-answer.tsx'
import { Table } from '../parts/table.tsx'
import { Quantities } from '../statements/quantities.tsx'
import { usedTotals } from '../statements/sums.ts'
import { CloseDialog } from './close-dialog.tsx'
import { PartnerMonthsTable } from './partner-months-table.tsx'
import { type DueMonth, dueMonths, type MonthsOfPage, readMonths } from './read-months.ts'

/** The months of all partners: those that are due first, then what is open and what is unbilled. */
export function MonthsPage() {
  const pages = useCursorPages()
  const [closing, setClosing] = useState<DueMonth>()
  const page = useAnswer(`months ${pages.cursor ?? ''}`, (signal) => readMonths(pages.cursor, signal))
  const isRefreshing = page.state === 'ready' && page.isRefreshing
  return (
    <>
      <div class="heading">
        <h1>Months</h1>
        <RefreshButton isQuiet isRefreshing={isRefreshing} isDisabled={page.state === 'loading' || isRefreshing} onRefresh={page.reload} />
      </div>
      <ShownAnswer answer={page} what="months of the partners">
        {({ partners, nextCursor }) =>
          partners.length === 0 && pages.number === 1 ? (
            <NoPartners />
          ) : (
            <>
              <Unread partners={partners} />
              <DueTable
                isKnown={partners.every(({ failure }) => failure === undefined)}
                due={dueMonths(partners)}
                isOnePage={pages.number === 1 && nextCursor === null}
                onCloseMonth={setClosing}
              />
              <PartnerMonthsTable partners={partners} />
              <PageButtons of="partners" pages={pages} nextCursor={nextCursor} />
            </>
          )
        }
      </ShownAnswer>
      {closing === undefined ? null : (
        <CloseDialog
          due={closing}
          onClose={(hasChanged) => {
            setClosing(undefined)
            if (hasChanged) page.reload()
          }}
        />
      )}
    </>
  )
}

/** Says that the page is not complete: a month that is not seen is not closed. */
function Unread({ partners }: Pick<MonthsOfPage, 'partners'>) {
  const count = partners.filter(({ failure }) => failure !== undefined).length
  if (count === 0) return null
  return (
    <div role="alert">
      <Notice tone="bad">
        The months of {counted(count, 'partner')} could not be read, and may be due. The reason is shown beside each. Refresh to try again.
      </Notice>
    </div>
  )
}

interface DueTableProps {
  readonly due: readonly DueMonth[]
  /** False: the months of a partner could not be read, and one of them may be due. */
  readonly isKnown: boolean
  /** False: further partners are on other pages of the list. */
  readonly isOnePage: boolean
  readonly onCloseMonth: (due: DueMonth) => void
}

function DueTable({ due, isKnown, isOnePage, onCloseMonth }: DueTableProps) {
  const which = isOnePage ? '' : ' of the partners on this page'
  if (due.length === 0 && !isKnown) return null
  if (due.length === 0) return <Notice tone="good">No month{which} is due: every month that is over is closed.</Notice>
  return (
    <>
      <h2>
        {counted(due.length, 'month')}
        {which} {due.length === 1 ? 'is' : 'are'} due
      </h2>
      <Table
        caption="Months that are over and not closed yet"
        columns={['Partner', 'Month', 'Usage so far', 'Closing']}
        rows={due.map((each) => ({
          key: JSON.stringify([each.partner.id, each.month]),
          cells: [
            <span>
              <a href={linkTo(['partners', each.partner.id, 'statements'])}>{each.partner.name}</a> <code>{each.partner.id}</code>
            </span>,
            <a href={linkTo(['partners', each.partner.id, 'statements', each.month])}>{showMonth(each.month)}</a>,
            <Quantities totals={usedTotals(each.totals)} none="no usage" />,
            each.after === undefined ? (
              <button type="button" aria-label={`Close ${showMonth(each.month)} of ${each.partner.name}…`} onClick={() => onCloseMonth(each)}>
                Close…
              </button>
            ) : (
              <span class="hint">After {showMonth(each.after)}</span>
            ),
          ],
        }))}
      />
    </>
  )
}
