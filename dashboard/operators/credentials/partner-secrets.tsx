import { useState } from 'preact/hooks'
import type { AnswerOf } from '../../../contract/operation.ts'
import type { REVOKE_PARTNER_SECRET } from '../../../contract/partner-secrets.ts'
import type { GET_PARTNER } from '../../../contract/partners.ts'
import { address, setParameters } from '../../address/address.ts'
import { call } from '../../calls/call.ts'
import type { AsText } from '../../calls/numbers-as-text.ts'
import { useAnswer } from '../../calls/use-answer.ts'
import { showTime } from '../../numbers/show-time.ts'
import { timeOr } from '../../numbers/time-or.ts'
import { ConfirmDialog } from '../../parts/confirm-dialog.tsx'
import { PageHeading, refreshOf } from '../../parts/page-heading.tsx'
import { ShownAnswer } from '../../parts/shown-answer.tsx'
import { Table } from '../../parts/table.tsx'
import { caller } from '../../session/session.ts'
import { PartnerChoice } from '../partner-choice.tsx'
import { usePartners } from '../use-partners.ts'
import { AddPartnerSecretDialog } from './add-partner-secret-dialog.tsx'
import { isValid, StateOfCredential } from './state-of-credential.tsx'

type PartnerAnswer = AsText<AnswerOf<typeof GET_PARTNER>>
type PartnerSecret = PartnerAnswer['secrets'][number]

/** The secrets of one partner at a time, which the URL names. */
export function PartnerSecrets() {
  const partners = usePartners()
  const partnerId = address.value.parameters['partner'] ?? ''
  return (
    <section aria-label="Partners’ secrets">
      <PartnerChoice loaded={partners} value={partnerId} onChange={(chosen) => setParameters({ partner: chosen })} />
      {partnerId === '' ? (
        <p class="hint">Choose a partner to see the secrets with which it reads its usage.</p>
      ) : (
        <SecretsOfPartner key={partnerId} partnerId={partnerId} />
      )}
    </section>
  )
}

function SecretsOfPartner({ partnerId }: { partnerId: string }) {
  const [isAdding, setAdding] = useState(false)
  const answer = useAnswer(`partner ${partnerId}`, (signal) =>
    call<typeof GET_PARTNER>(caller(signal), { method: 'GET', path: '/admin/v1/partners/:partnerId', params: { partnerId } }),
  )
  const name = answer.state === 'ready' ? answer.value.partner.name : partnerId
  return (
    <>
      <PageHeading
        level="h2"
        title={`Secrets of ${name}`}
        lead="Valid ones first. At most two are valid at a time. The last use may be up to a minute late."
        {...refreshOf(answer)}
      >
        <button type="button" class="main" onClick={() => setAdding(true)}>
          Add a secret…
        </button>
      </PageHeading>
      <ShownAnswer answer={answer} what="partner">
        {({ secrets }) => <SecretTable partnerId={partnerId} secrets={secrets} onChanged={answer.reload} />}
      </ShownAnswer>
      {isAdding ? <AddPartnerSecretDialog partnerId={partnerId} name={name} onAdded={answer.reload} onClose={() => setAdding(false)} /> : null}
    </>
  )
}

interface SecretTableProps {
  readonly partnerId: string
  readonly secrets: readonly PartnerSecret[]
  readonly onChanged: () => void
}

function SecretTable({ partnerId, secrets, onChanged }: SecretTableProps) {
  const [revoked, setRevoked] = useState<PartnerSecret>()
  const validOf = ({ revoked_at, expires_at }: PartnerSecret) => isValid({ revokedAt: revoked_at, expiresAt: expires_at })
  const isLast = secrets.filter(validOf).length === 1
  return (
    <>
      <Table
        caption="Secrets of the partner, valid ones first"
        isCaptionHidden
        columns={['Secret', 'State', 'Created', 'Last used', 'Action']}
        empty="The partner has no secret. Add one, and give it to the partner."
        rows={secrets.map((secret) => ({
          key: secret.id,
          cells: [
            <code title={`Id ${secret.id}`}>{shortOf(secret)}</code>,
            <StateOfCredential revokedAt={secret.revoked_at} expiresAt={secret.expires_at} />,
            showTime(secret.created_at),
            timeOr(secret.last_used_at, 'never'),
            validOf(secret) ? (
              <button type="button" aria-label={`Revoke ${shortOf(secret)}…`} onClick={() => setRevoked(secret)}>
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
          heading={`Revoke the secret ${shortOf(revoked)}?`}
          verb="Revoke"
          isDangerous
          act={() => revokeSecret(partnerId, revoked.id)}
          onDone={onChanged}
          onClose={() => setRevoked(undefined)}
        >
          <p>
            Requests with this secret are rejected within a second, and it never works again.{' '}
            {isLast ? 'It is the only valid one: the partner cannot call the API until you add another.' : 'The other valid secret keeps working.'}
          </p>
          <p>Last used: {timeOr(revoked.last_used_at, 'never')}.</p>
        </ConfirmDialog>
      )}
    </>
  )
}

function shortOf({ prefix, last_four }: PartnerSecret): string {
  return `${prefix}…${last_four}`
}

function revokeSecret(partnerId: string, secretId: string) {
  const params = { partnerId, secretId }
  return call<typeof REVOKE_PARTNER_SECRET>(caller(), { method: 'DELETE', path: '/admin/v1/partners/:partnerId/secrets/:secretId', params })
}
