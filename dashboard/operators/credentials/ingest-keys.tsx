import { useState } from 'preact/hooks'
import type { LIST_INGEST_KEYS, REVOKE_INGEST_KEY } from '../../../contract/ingest-keys.ts'
import type { AnswerOf } from '../../../contract/operation.ts'
import { call } from '../../calls/call.ts'
import type { AsText } from '../../calls/numbers-as-text.ts'
import { useAnswer } from '../../calls/use-answer.ts'
import { showTime } from '../../numbers/show-time.ts'
import { timeOr } from '../../numbers/time-or.ts'
import { ConfirmDialog } from '../../parts/confirm-dialog.tsx'
import { PageButtons, useCursorPages } from '../../parts/cursor-pages.tsx'
import { PageHeading, refreshOf } from '../../parts/page-heading.tsx'
import { ShownAnswer } from '../../parts/shown-answer.tsx'
import { Table } from '../../parts/table.tsx'
import { caller } from '../../session/session.ts'
import { CreateIngestKeyDialog } from './create-ingest-key-dialog.tsx'
import { StateOfCredential } from './state-of-credential.tsx'

type IngestKey = AsText<AnswerOf<typeof LIST_INGEST_KEYS>>['ingest_keys'][number]

const ROWS_PER_PAGE = 50

/** The keys with which emitters send events. */
export function IngestKeys() {
  const pages = useCursorPages()
  const [isCreating, setCreating] = useState(false)
  const query = { limit: ROWS_PER_PAGE, cursor: pages.cursor }
  const keys = useAnswer(`ingest keys ${pages.cursor ?? ''}`, (signal) =>
    call<typeof LIST_INGEST_KEYS>(caller(signal), { method: 'GET', path: '/admin/v1/ingest-keys', query }),
  )
  return (
    <section aria-label="Ingest keys">
      <PageHeading
        level="h2"
        title="Ingest keys"
        lead="Emitters send events with them. Oldest first; the last use may be up to a minute late."
        {...refreshOf(keys)}
      >
        <button type="button" class="main" onClick={() => setCreating(true)}>
          Create an ingest key…
        </button>
      </PageHeading>
      <ShownAnswer answer={keys} what="ingest keys">
        {({ ingest_keys, next_cursor }) => (
          <>
            <KeyTable keys={ingest_keys} onChanged={keys.reload} />
            <PageButtons of="ingest keys" pages={pages} nextCursor={next_cursor} />
          </>
        )}
      </ShownAnswer>
      {isCreating ? <CreateIngestKeyDialog onCreated={keys.reload} onClose={() => setCreating(false)} /> : null}
    </section>
  )
}

function KeyTable({ keys, onChanged }: { keys: readonly IngestKey[]; onChanged: () => void }) {
  const [revoked, setRevoked] = useState<IngestKey>()
  return (
    <>
      <Table
        caption="Ingest keys, oldest first"
        isCaptionHidden
        columns={['Name', 'Key', 'May send for', 'State', 'Created', 'Last used', 'Action']}
        empty="There is no ingest key yet. Create one and give it to an emitter."
        rows={keys.map((key) => ({
          key: key.id,
          cells: [
            key.name,
            <code title={`Id ${key.id}`}>
              {key.prefix}…{key.last_four}
            </code>,
            key.partner_ids.length === 0 ? 'all projects' : key.partner_ids.join(', '),
            <StateOfCredential revokedAt={key.revoked_at} />,
            showTime(key.created_at),
            timeOr(key.last_used_at, 'never'),
            key.revoked_at === null ? (
              <button type="button" aria-label={`Revoke ${key.name}…`} onClick={() => setRevoked(key)}>
                Revoke…
              </button>
            ) : (
              showTime(key.revoked_at)
            ),
          ],
        }))}
      />
      {revoked === undefined ? null : (
        <ConfirmDialog
          heading={`Revoke the ingest key ${revoked.name}?`}
          verb="Revoke"
          isDangerous
          act={() => revokeKey(revoked.id)}
          onDone={onChanged}
          onClose={() => setRevoked(undefined)}
        >
          <p>
            Every emitter that uses {revoked.prefix}…{revoked.last_four} is rejected within a second. What it has sent stays counted. A revoked key never works
            again: give the emitter another one first.
          </p>
          <p>Last used: {timeOr(revoked.last_used_at, 'never')}.</p>
        </ConfirmDialog>
      )}
    </>
  )
}

function revokeKey(id: string) {
  return call<typeof REVOKE_INGEST_KEY>(caller(), { method: 'DELETE', path: '/admin/v1/ingest-keys/:keyId', params: { keyId: id } })
}
