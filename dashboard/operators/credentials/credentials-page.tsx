import type { ComponentChildren } from 'preact'
import type { AdminRole } from '../../../contract/lists.ts'
import { linkTo } from '../../address/address.ts'
import { Notice } from '../../parts/notice.tsx'
import { isAdminOf, type Session, session } from '../../session/session.ts'
import { AdminTokens } from './admin-tokens.tsx'
import { IngestKeys } from './ingest-keys.tsx'
import { PartnerSecrets } from './partner-secrets.tsx'
import { SigningKeys } from './signing-keys.tsx'

interface Kind {
  readonly path: string
  readonly title: string
  /** Who may list them. Without a role: the admin token only. */
  readonly isFor: (session: Session) => boolean
  readonly show: () => ComponentChildren
}

const isFor =
  (...roles: readonly AdminRole[]) =>
  (signedIn: Session) =>
    isAdminOf(signedIn, roles)

const KINDS: readonly Kind[] = [
  { path: 'ingest-keys', title: 'Ingest keys', isFor: isFor('operator', 'emitter-manager'), show: () => <IngestKeys /> },
  { path: 'partner-secrets', title: 'Partners’ secrets', isFor: isFor('operator'), show: () => <PartnerSecrets /> },
  { path: 'admin-tokens', title: 'Admin tokens', isFor: isFor(), show: () => <AdminTokens /> },
  { path: 'signing-keys', title: 'Signing keys', isFor: isFor('operator'), show: () => <SigningKeys /> },
]

/** What gives access, one kind at a time: the URL says which. */
export function CredentialsPage({ kind }: { kind: string | undefined }) {
  const signedIn = session.value
  const kinds = KINDS.filter(({ isFor }) => signedIn !== undefined && isFor(signedIn))
  const shown = kind === undefined ? kinds[0] : kinds.find(({ path }) => path === kind)
  return (
    <>
      <div class="heading">
        <h1>Credentials</h1>
      </div>
      {kinds.length === 1 ? null : (
        <nav class="kinds" aria-label="Kinds of credentials">
          {kinds.map(({ path, title }) => (
            <a key={path} href={linkTo(['credentials', path])} aria-current={path === shown?.path ? 'page' : undefined}>
              {title}
            </a>
          ))}
        </nav>
      )}
      {shown === undefined ? (
        <Notice tone="warn">
          <strong>Not found</strong>
          <p>There is no such kind of credentials, or yours may not list it. Only the admin token itself may list and create admin tokens.</p>
        </Notice>
      ) : (
        shown.show()
      )}
    </>
  )
}
