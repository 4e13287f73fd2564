import type { CREATE_ADMIN_TOKEN } from '../../contract/admin-tokens.ts'
import type { LIST_INGEST_KEYS } from '../../contract/ingest-keys.ts'
import type { CREATE_PARTNER_TOKEN } from '../../contract/partner-tokens.ts'
import type { LIST_PARTNERS } from '../../contract/partners.ts'
import type { GET_PARTNERSHIP_USAGE, GET_PROJECT_USAGE } from '../../contract/usage.ts'
import { dayOf } from '../address/period.ts'
import { type Caller, CallFailed, call } from '../calls/call.ts'
import { beginSession, endSession, keptToken, type PartnerSession, type Session, sessionNotice } from './session.ts'
import { sessionOfToken } from './session-of-token.ts'

/** How long a token that is kept in the tab lives. */
export const KEPT_SECONDS = 3_600

export type GivenCredential =
  | { readonly kind: 'partner'; readonly partnerId: string; readonly secret: string }
  | { readonly kind: 'token'; readonly token: string }

/**
 * Begins a session if the service accepts the credential. `keep`: the session survives a reload of this tab. Then a short-lived
 * token takes the place of a secret or of the admin token, neither of which is ever stored. Rejects with CallFailed.
 */
export async function signIn(given: GivenCredential, keep: boolean): Promise<void> {
  // A header can hold nothing else, and no credential has anything else.
  if (!PRINTABLE.test(given.kind === 'partner' ? given.secret : given.token)) throw new CallFailed({ status: 401, code: 'UNAUTHENTICATED', message: '' })
  const begun = given.kind === 'partner' ? partnerSession(given.partnerId, given.secret) : sessionOfToken(given.token)
  await proveCredential(begun)
  if (!keep) return beginSession(begun)
  const token = await shortLivedToken(begun, given)
  beginSession(sessionOfToken(token), token)
}

const PRINTABLE = /^[\x21-\x7e]+$/

/** Continues the session of this tab after a reload. If there is one and it cannot be continued, the page to sign in says why. */
export async function continueSession(): Promise<void> {
  const token = keptToken()
  if (token === undefined) return
  const begun = sessionOfToken(token)
  try {
    await proveCredential(begun)
    beginSession(begun, token)
  } catch (error) {
    if (error instanceof CallFailed && error.status === 401) return endSession('Your session in this tab has ended. Sign in again.')
    sessionNotice.value = `Your session in this tab could not be continued. ${signInProblem(error, 'token')} Reload the page, or sign in again.`
  }
}

function partnerSession(partnerId: string, secret: string): PartnerSession {
  return { who: 'partner', partnerId, credential: { 'x-partnership-secret': secret }, lifetimeSeconds: undefined }
}

/** One small read that every credential of this kind may do. */
async function proveCredential(begun: Session): Promise<void> {
  const caller: Caller = { credential: begun.credential }
  const today = dayOf(Date.now())
  const query = { start_date: today, end_date: today }
  if (begun.who === 'partner')
    await call<typeof GET_PARTNERSHIP_USAGE>(caller, { method: 'GET', path: '/partnership/v1/:partnerId/usage', params: { partnerId: begun.partnerId }, query })
  else if (begun.who === 'project')
    await call<typeof GET_PROJECT_USAGE>(caller, {
      ...{ method: 'GET', path: '/partnership/v1/:partnerId/:projectId/usage' },
      params: { partnerId: begun.partnerId, projectId: begun.projectId },
      query,
    })
  else if (begun.role === 'emitter-manager') await call<typeof LIST_INGEST_KEYS>(caller, { method: 'GET', path: '/admin/v1/ingest-keys', query: { limit: 1 } })
  else await call<typeof LIST_PARTNERS>(caller, { method: 'GET', path: '/admin/v1/partners', query: { limit: 1 } })
}

async function shortLivedToken(begun: Session, given: GivenCredential): Promise<string> {
  const caller: Caller = { credential: begun.credential }
  if (given.kind === 'partner') {
    const request = { params: { partnerId: given.partnerId }, body: { expires_in: KEPT_SECONDS } }
    const answer = await call<typeof CREATE_PARTNER_TOKEN>(caller, { method: 'POST', path: '/partnership/v1/:partnerId/tokens', ...request })
    return answer.token
  }
  if (begun.who !== 'admin' || begun.role !== 'admin') {
    if (begun.lifetimeSeconds === undefined || begun.lifetimeSeconds > KEPT_SECONDS) throw new CallFailed(NOT_KEPT)
    return given.token
  }
  const body = { role: 'operator', expires_in: KEPT_SECONDS } as const
  const answer = await call<typeof CREATE_ADMIN_TOKEN>(caller, { method: 'POST', path: '/admin/v1/tokens', body })
  return answer.token
}

const NOT_KEPT = {
  status: 0,
  code: 'NOT_KEPT',
  message: 'This token is made for more than an hour, so it is not stored in the tab. Sign in without keeping it, or create a shorter one.',
}

/** What a failed attempt means for the person who signs in. */
export function signInProblem(error: unknown, kind: GivenCredential['kind']): string {
  if (!(error instanceof CallFailed)) return 'The page could not sign in. Reload it and try again.'
  if (error.status !== 401) return error.requestId === undefined ? error.message : `${error.message} (request id ${error.requestId})`
  return kind === 'partner'
    ? 'This partner id and secret are not accepted. Check both; the id begins with ps_. A secret may have expired or been revoked.'
    : 'This token is not accepted. Check that it was copied as a whole; it may have expired or been revoked.'
}
