import { useEffect, useState } from 'preact/hooks'
import { Notice } from '../parts/notice.tsx'
import { sessionNotice } from './session.ts'
import { type GivenCredential, KEPT_SECONDS, signIn, signInProblem } from './sign-in.ts'

type Kind = GivenCredential['kind']

/** Asks for a credential, and says what each kind may see. */
export function SignInPage() {
  const [kind, setKind] = useState<Kind>('partner')
  const [problem, setProblem] = useState('')
  const [isBusy, setBusy] = useState(false)
  useEffect(() => {
    document.title = 'Sign in · Meterline'
  }, [])
  const submit = async (event: SubmitEvent) => {
    event.preventDefault()
    const fields = new FormData(event.currentTarget as HTMLFormElement)
    const text = (name: string) => String(fields.get(name) ?? '').trim()
    const given: GivenCredential = kind === 'partner' ? { kind, partnerId: text('partner_id'), secret: text('secret') } : { kind, token: text('token') }
    setBusy(true)
    setProblem('')
    await signIn(given, fields.has('keep')).catch((error: unknown) => {
      setProblem(signInProblem(error, kind))
      setBusy(false)
    })
  }
  return (
    <main class="sign-in">
      <h1>Meterline</h1>
      <p class="lead">Usage and bills, exact to the last digit.</p>
      <div role="alert">{sessionNotice.value === '' ? null : <Notice>{sessionNotice.value}</Notice>}</div>
      <form class="panel" onSubmit={submit}>
        <KindChoice
          kind={kind}
          onChange={(next) => {
            setKind(next)
            setProblem('')
          }}
        />
        {kind === 'partner' ? <PartnerFields /> : <TokenFields />}
        <label class="check">
          <input type="checkbox" name="keep" />
          <span>
            Keep me signed in in this tab for up to {KEPT_SECONDS / 3_600} hour
            <small>Otherwise a reload asks for it again. A short-lived token is kept, never the secret.</small>
          </span>
        </label>
        <div role="alert">{problem === '' ? null : <Notice tone="bad">{problem}</Notice>}</div>
        <button type="submit" class="main" disabled={isBusy}>
          {isBusy ? 'Signing in…' : 'Sign in'}
        </button>
      </form>
      <p class="links">
        <a href="./docs">API documentation</a>
      </p>
    </main>
  )
}

const KINDS: Readonly<Record<Kind, string>> = { partner: 'Partner', token: 'Token' }

function KindChoice({ kind, onChange }: { kind: Kind; onChange: (kind: Kind) => void }) {
  return (
    <fieldset class="choice">
      <legend>Sign in with</legend>
      {Object.entries(KINDS).map(([value, label]) => (
        <label key={value}>
          <input type="radio" name="kind" value={value} checked={kind === value} onChange={() => onChange(value as Kind)} />
          <span>{label}</span>
        </label>
      ))}
    </fieldset>
  )
}

function PartnerFields() {
  return (
    <>
      <label>
        Partner id
        <input name="partner_id" required autocomplete="username" spellcheck={false} placeholder="ps_…" />
      </label>
      <label>
        Partnership secret
        <input name="secret" type="password" required autocomplete="current-password" />
      </label>
      <p class="hint">Shows the usage of all projects of the partner, and its statements.</p>
    </>
  )
}

function TokenFields() {
  return (
    <>
      <label>
        Token
        <input name="token" type="password" required autocomplete="off" />
      </label>
      <ul class="hint">
        <li>Admin token, or a token of the role operator: everything, with what operators do.</li>
        <li>Token of the role finance: months, statements and exports of all partners.</li>
        <li>Token of the role emitter-manager: ingest keys and rejected events.</li>
        <li>Token of a partner: its usage and statements. Code of a project (10 minutes): its usage.</li>
      </ul>
    </>
  )
}
