import type { KeyState, LIST_SIGNING_KEYS } from '../../../contract/signing-keys.ts'
import { call } from '../../calls/call.ts'
import { useAnswer } from '../../calls/use-answer.ts'
import { showTime } from '../../numbers/show-time.ts'
import { timeOr } from '../../numbers/time-or.ts'
import { PageButtons, useCursorPages } from '../../parts/cursor-pages.tsx'
import { Badge, type Tone } from '../../parts/notice.tsx'
import { PageHeading, refreshOf } from '../../parts/page-heading.tsx'
import { ShownAnswer } from '../../parts/shown-answer.tsx'
import { Table } from '../../parts/table.tsx'
import { caller } from '../../session/session.ts'

const ROWS_PER_PAGE = 50

const STATES: Readonly<Record<KeyState, { readonly tone: Tone; readonly meaning: string }>> = {
  next: { tone: 'plain', meaning: 'Published; signs from the time shown.' },
  signing: { tone: 'good', meaning: 'Signs now.' },
  retiring: { tone: 'plain', meaning: 'Signs no more; published until the codes that it signed have expired.' },
  retired: { tone: 'plain', meaning: 'Verifies only the admin tokens that it signed, until they expire.' },
  withdrawn: { tone: 'bad', meaning: 'Verifies nothing.' },
}

/** The keys that sign codes and tokens. They are rotated automatically, and by hand after a leak. */
export function SigningKeys() {
  const pages = useCursorPages()
  const query = { limit: ROWS_PER_PAGE, cursor: pages.cursor }
  const keys = useAnswer(`signing keys ${pages.cursor ?? ''}`, (signal) =>
    call<typeof LIST_SIGNING_KEYS>(caller(signal), { method: 'GET', path: '/admin/v1/signing-keys', query }),
  )
  return (
    <section aria-label="Signing keys">
      <PageHeading
        level="h2"
        title="Signing keys"
        lead="They sign the codes of projects and the tokens of people. Oldest first. To rotate one: meterline keys rotate."
        {...refreshOf(keys)}
      />
      <ShownAnswer answer={keys} what="signing keys">
        {({ signing_keys, next_cursor }) => (
          <>
            <Table
              caption="Signing keys, oldest first"
              isCaptionHidden
              columns={['Key', 'State', 'Meaning', 'Created', 'Signs from', 'Withdrawn']}
              empty="There is no signing key yet; the first is made at the start of the service."
              rows={signing_keys.map(({ kid, created_at, signs_from, withdrawn_at, state }) => ({
                key: kid,
                cells: [
                  <code>{kid}</code>,
                  <Badge tone={STATES[state].tone}>{state}</Badge>,
                  STATES[state].meaning,
                  showTime(created_at),
                  showTime(signs_from),
                  timeOr(withdrawn_at, 'no'),
                ],
              }))}
            />
            <PageButtons of="signing keys" pages={pages} nextCursor={next_cursor} />
          </>
        )}
      </ShownAnswer>
    </section>
  )
}
