import type { LIST_AUDIT_LOG } from '../../../contract/audit-log.ts'
import type { AnswerOf } from '../../../contract/operation.ts'
import { address, setParameters } from '../../address/address.ts'
import { call } from '../../calls/call.ts'
import type { AsText } from '../../calls/numbers-as-text.ts'
import { useAnswer } from '../../calls/use-answer.ts'
import { allDigits } from '../../numbers/show-quantity.ts'
import { showTime } from '../../numbers/show-time.ts'
import { PageButtons, useCursorPages } from '../../parts/cursor-pages.tsx'
import { PageHeading, refreshOf } from '../../parts/page-heading.tsx'
import { Pairs } from '../../parts/pairs.tsx'
import { ShortenedId } from '../../parts/shortened-id.tsx'
import { ShownAnswer } from '../../parts/shown-answer.tsx'
import { Table } from '../../parts/table.tsx'
import { caller } from '../../session/session.ts'
import { KNOWN_ACTIONS } from './known-actions.ts'

type AuditEntry = AsText<AnswerOf<typeof LIST_AUDIT_LOG>>['entries'][number]

interface Filter {
  readonly action: string
  readonly subject: string
}

const ROWS_PER_PAGE = 50

/** Every change, and every read of a secret: who, when and what. */
export function AuditLogPage() {
  const { action = '', subject = '' } = address.value.parameters
  return <AuditLogPages key={JSON.stringify([action, subject])} filter={{ action, subject }} />
}

function AuditLogPages({ filter }: { filter: Filter }) {
  const pages = useCursorPages()
  const query = { ...filter, order: 'newest', limit: ROWS_PER_PAGE, cursor: pages.cursor } as const
  const log = useAnswer(`audit log ${pages.cursor ?? ''}`, (signal) =>
    call<typeof LIST_AUDIT_LOG>(caller(signal), { method: 'GET', path: '/admin/v1/audit-log', query }),
  )
  const isFiltered = filter.action !== '' || filter.subject !== ''
  return (
    <>
      <PageHeading
        title="Audit log"
        lead="Every change and every read of a secret, newest first. Entries are only ever added; each holds the hash of the one before. To verify the chain: meterline audit-log verify."
        {...refreshOf(log)}
      />
      <Filters filter={filter} isFiltered={isFiltered} />
      <ShownAnswer answer={log} what="audit log">
        {({ entries, next_cursor }) => (
          <>
            <EntryTable entries={entries} isFiltered={isFiltered} />
            <PageButtons of="the audit log" pages={pages} nextCursor={next_cursor} />
          </>
        )}
      </ShownAnswer>
    </>
  )
}

function Filters({ filter, isFiltered }: { filter: Filter; isFiltered: boolean }) {
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    const fields = new FormData(event.currentTarget as HTMLFormElement)
    setParameters({ action: String(fields.get('action')).trim(), subject: String(fields.get('subject')).trim() })
  }
  return (
    <search>
      <form class="filters" onSubmit={submit}>
        <label>
          Action
          <input name="action" list="audit-actions" defaultValue={filter.action} maxLength={256} placeholder="all" autocomplete="off" spellcheck={false} />
          <datalist id="audit-actions">
            {KNOWN_ACTIONS.map((name) => (
              <option key={name} value={name} />
            ))}
          </datalist>
        </label>
        <label>
          Subject, the whole id
          <input name="subject" defaultValue={filter.subject} maxLength={256} placeholder="all" autocomplete="off" spellcheck={false} />
        </label>
        <button type="submit">Filter</button>
        {isFiltered ? (
          <button type="button" onClick={() => setParameters({ action: undefined, subject: undefined })}>
            Show all
          </button>
        ) : null}
      </form>
    </search>
  )
}

function EntryTable({ entries, isFiltered }: { entries: readonly AuditEntry[]; isFiltered: boolean }) {
  return (
    <Table
      caption="Audit log, newest first"
      isCaptionHidden
      columns={['Entry', 'Time', 'Who', 'Action', 'Subject', 'Details', 'Hash']}
      empty={isFiltered ? 'No entry has this action and subject. Both must be written in full; clear one to see more.' : 'Nothing was changed yet.'}
      rows={entries.map((entry) => ({
        key: entry.seq,
        cells: [
          allDigits(entry.seq),
          showTime(entry.at),
          <Actor actor={entry.actor} />,
          <button type="button" class="link whole" title="Show only entries of this action" onClick={() => setParameters({ action: entry.action })}>
            {entry.action}
          </button>,
          <button type="button" class="link" title="Show only entries of this subject" onClick={() => setParameters({ subject: entry.subject })}>
            {entry.subject}
          </button>,
          <Pairs fields={entry.details} />,
          <ShortenedId id={entry.hash} what="hash" />,
        ],
      }))}
    />
  )
}

/** A token of a role is admin:role:id. */
function Actor({ actor }: { actor: string }) {
  const [who, role, id] = actor.split(':')
  if (who !== 'admin' || role === undefined || id === undefined) return <>{actor === 'admin' ? 'admin token' : actor}</>
  return (
    <span title={actor}>
      {role}, token <code>{id}</code>
    </span>
  )
}
