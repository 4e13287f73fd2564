import { linkTo } from '../address/address.ts'
import { useAnswer } from '../calls/use-answer.ts'
import { showDay, showMonth } from '../numbers/show-time.ts'
import { PageButtons, useCursorPages } from '../parts/cursor-pages.tsx'
import { Badge, Notice } from '../parts/notice.tsx'
import { RefreshButton } from '../parts/refresh-button.tsx'
import { ShownAnswer } from '../parts/shown-answer.tsx'
import { Table } from '../parts/table.tsx'
import { type Partner, readPartners } from './read-partners.ts'

/** All partners by name, each with what it is billed from and what is closed. */
export function PartnersPage() {
  const pages = useCursorPages()
  const list = useAnswer(`partners ${pages.cursor ?? ''}`, (signal) => readPartners(pages.cursor, signal))
  const isRefreshing = list.state === 'ready' && list.isRefreshing
  return (
    <>
      <div class="heading">
        <h1>Partners</h1>
        <RefreshButton isQuiet isRefreshing={isRefreshing} isDisabled={list.state === 'loading' || isRefreshing} onRefresh={list.reload} />
      </div>
      <ShownAnswer answer={list} what="list of partners">
        {({ partners, next_cursor }) => (
          <>
            {partners.length === 0 ? <NoPartners /> : <PartnerTable partners={partners} />}
            <PageButtons of="partners" pages={pages} nextCursor={next_cursor} />
          </>
        )}
      </ShownAnswer>
    </>
  )
}

export function NoPartners() {
  return (
    <Notice>
      <strong>No partner yet</strong>
      <p>
        An operator creates one: <code>meterline partners create "Acme Cloud"</code>
      </p>
    </Notice>
  )
}

function PartnerTable({ partners }: { partners: readonly Partner[] }) {
  return (
    <Table
      caption="Partners by name"
      isCaptionHidden
      columns={['Partner', 'Mode', 'State', 'Billed from', 'Closed through', 'Pages']}
      rows={partners.map(({ id, name, mode, disabled_at, billing_from, closed_through }) => ({
        key: id,
        cells: [
          <span>
            <a href={linkTo(['partners', id])}>{name}</a> <code>{id}</code>
          </span>,
          mode,
          <EnabledBadge disabledAt={disabled_at} />,
          billing_from === null ? 'not billed' : showMonth(billing_from),
          closed_through === null ? 'no month yet' : showMonth(closed_through),
          <span class="links-in-cell">
            <a href={linkTo(['partners', id, 'statements'])} aria-label={`Statements of ${name}`}>
              Statements
            </a>{' '}
            <a href={linkTo(['partners', id, 'projects'])} aria-label={`Projects of ${name}`}>
              Projects
            </a>
          </span>,
        ],
      }))}
    />
  )
}

export function EnabledBadge({ disabledAt }: { disabledAt: string | null }) {
  if (disabledAt === null) return <Badge tone="good">enabled</Badge>
  return (
    <Badge tone="warn" title="It cannot call the API. Its usage still counts, and its months still close.">
      disabled {showDay(disabledAt)}
    </Badge>
  )
}
