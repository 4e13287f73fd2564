import { useState } from 'preact/hooks'
import type { LIST_ADMIN_TOKENS, REVOKE_ADMIN_TOKEN } from '../../../contract/admin-tokens.ts'
import type { AnswerOf } from '../../../contract/operation.ts'
import { call } from '../../calls/call.ts'
import type { AsText } from '../../calls/numbers-as-text.ts'
import { useAnswer } from '../../calls/use-answer.ts'
import { showTime } from '../../numbers/show-time.ts'
import { ConfirmDialog } from '../../parts/confirm-dialog.tsx'
import { PageButtons, useCursorPages } from '../../parts/cursor-pages.tsx'
import { PageHeading, refreshOf } from '../../parts/page-heading.tsx'
import { ShownAnswer } from '../../parts/shown-answer.tsx'
import { Table } from '../../parts/table.tsx'
import { caller } from '../../session/session.ts'
import { CreateAdminTokenDialog } from './create-admin-token-dialog.tsx'
import { isValid, StateOfCredential } from './state-of-credential.tsx'

type AdminToken = AsText<AnswerOf<typeof LIST_ADMIN_TOKENS>>['tokens'][number]

const ROWS_PER_PAGE = 50

/** The short-lived tokens of roles that have not expired. */
export function AdminTokens() {
  const pages = useCursorPages()
  const [isCreating, setCreating] = useState(false)
  const query = { limit: ROWS_PER_PAGE, cursor: pages.cursor }
  const tokens = useAnswer(`admin tokens ${pages.cursor ?? ''}`, (signal) =>
    call<typeof LIST_ADMIN_TOKENS>(caller(signal), { method: 'GET', path: '/admin/v1/tokens', query }),
  )
  return (
    <section aria-label="Admin tokens">
      <PageHeading
        level="h2"
        title="Admin tokens"
        lead="Short-lived tokens with one role, oldest first; expired ones are not listed. Their use is in the audit log under their id, and is not stored here."
        {...refreshOf(tokens)}
      >
        <button type="button" class="main" onClick={() => setCreating(true)}>
          Create an admin token…
        </button>
      </PageHeading>
      <ShownAnswer answer={tokens} what="admin tokens">
        {({ tokens: listed, next_cursor }) => (
          <>
            <TokenTable tokens={listed} onChanged={tokens.reload} />
            <PageButtons of="admin tokens" pages={pages} nextCursor={next_cursor} />
          </>
        )}
      </ShownAnswer>
      {isCreating ? <CreateAdminTokenDialog onCreated={tokens.reload} onClose={() => setCreating(false)} /> : null}
    </section>
  )
}

function TokenTable({ tokens, onChanged }: { tokens: readonly AdminToken[]; onChanged: () => void }) {
  const [revoked, setRevoked] = useState<AdminToken>()
  return (
    <>
      <Table
        caption="Admin tokens, oldest first"
        isCaptionHidden
        columns={['Id', 'Role', 'State', 'Created', 'Action']}
        empty="No token is valid now. Create one for each person who needs a role for some hours."
        rows={tokens.map((token) => ({
          key: token.id,
          cells: [
            <code>{token.id}</code>,
            token.role,
            <StateOfCredential revokedAt={token.revoked_at} expiresAt={token.expires_at} />,
            showTime(token.created_at),
            isValid({ revokedAt: token.revoked_at, expiresAt: token.expires_at }) ? (
              <button type="button" aria-label={`Revoke the ${token.role} token ${token.id}…`} onClick={() => setRevoked(token)}>
                Revoke…
              </button>
            ) : (
              ''
            ),
          ],
        }))}
      />
      {revoked === undefined ? null : (
        <ConfirmDialog
          heading={`Revoke this ${revoked.role} token?`}
          verb="Revoke"
          isDangerous
          act={() => revokeToken(revoked.id)}
          onDone={onChanged}
          onClose={() => setRevoked(undefined)}
        >
          <p>
            The caller that uses the token <code>{revoked.id}</code> is signed out within a second. What it has created, such as ingest keys and partners’
            secrets, stays valid.
          </p>
        </ConfirmDialog>
      )}
    </>
  )
}

function revokeToken(id: string) {
  return call<typeof REVOKE_ADMIN_TOKEN>(caller(), { method: 'DELETE', path: '/admin/v1/tokens/:tokenId', params: { tokenId: id } })
}
