import { signal } from '@preact/signals'
import type { AdminRole } from '../../contract/lists.ts'
import type { Caller, Credential } from '../calls/call.ts'

/** Who is signed in, and with what. It is kept in memory: a reload asks for it again, unless a token was kept for this tab. */
export type Session = PartnerSession | ProjectSession | AdminSession

interface Signed {
  readonly credential: Credential
  /** Of a token, from its creation to its end; undefined for a credential that lives until it is revoked. */
  readonly lifetimeSeconds: number | undefined
}

export interface PartnerSession extends Signed {
  readonly who: 'partner'
  readonly partnerId: string
}

/** A ten-minute code: the usage of one project, nothing else. */
export interface ProjectSession extends Signed {
  readonly who: 'project'
  readonly partnerId: string
  readonly projectId: string
}

export interface AdminSession extends Signed {
  readonly who: 'admin'
  /** `admin` is the admin token of the instance, which may do everything. */
  readonly role: AdminRole | 'admin'
}

export const session = signal<Session | undefined>(undefined)
/** Why the last session ended, for the page where one signs in. */
export const sessionNotice = signal('')

const KEPT_TOKEN = 'meterline.token'

/** `keptToken`: a short-lived token that survives a reload in this tab. Without one, that of an earlier session is removed. */
export function beginSession(begun: Session, keptToken?: string): void {
  if (keptToken === undefined) storageOfTab()?.removeItem(KEPT_TOKEN)
  else storageOfTab()?.setItem(KEPT_TOKEN, keptToken)
  sessionNotice.value = ''
  session.value = begun
}

export function endSession(notice = ''): void {
  storageOfTab()?.removeItem(KEPT_TOKEN)
  sessionNotice.value = notice
  session.value = undefined
}

/** The token that was kept in this tab before a reload. */
export function keptToken(): string | undefined {
  return storageOfTab()?.getItem(KEPT_TOKEN) ?? undefined
}

/** Undefined where the browser allows no storage, as it may in the frame of another site. */
function storageOfTab(): Storage | undefined {
  try {
    return sessionStorage
  } catch {
    return undefined
  }
}

/** The caller of the pages that are shown while somebody is signed in. */
export function caller(signalOfRead?: AbortSignal): Caller {
  return { credential: session.value?.credential ?? {}, signal: signalOfRead }
}

/** Whether the caller is an admin who may do what needs one of the roles. The admin token may do everything. */
export function hasRole(...roles: readonly AdminRole[]): boolean {
  return session.value !== undefined && isAdminOf(session.value, roles)
}

export function isAdminOf(signedIn: Session, roles: readonly AdminRole[]): boolean {
  return signedIn.who === 'admin' && (signedIn.role === 'admin' || roles.includes(signedIn.role))
}

/** Whether a partner has signed in with its secret, which may do more than its tokens. */
export function hasPartnerSecret(): boolean {
  const { value } = session
  return value?.who === 'partner' && value.credential['x-partnership-secret'] !== undefined
}
