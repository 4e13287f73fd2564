import type { AnswerOf } from '../../../contract/operation.ts'
import type { CREATE_SECRET, DELETE_SECRET, GET_SECRET, LIST_SECRETS, UPDATE_SECRET } from '../../../contract/secrets.ts'
import { call } from '../../calls/call.ts'
import type { AsText } from '../../calls/numbers-as-text.ts'
import { caller } from '../../session/session.ts'

export type ListedSecret = AsText<AnswerOf<typeof LIST_SECRETS>>['secrets'][number]

export interface NewSecret {
  readonly key: string
  readonly value: string
  readonly isReserved: boolean
  /** RFC 3339; undefined for a secret that does not expire. */
  readonly expiresAt: string | undefined
}

export async function readSecrets(signal: AbortSignal): Promise<readonly ListedSecret[]> {
  return (await call<typeof LIST_SECRETS>(caller(signal), { method: 'GET', path: '/api/secrets' })).secrets
}

/** The audit log records who reads it. */
export async function revealSecret(key: string): Promise<string> {
  return (await call<typeof GET_SECRET>(caller(), { method: 'GET', path: '/api/secrets/:key', params: { key } })).value
}

export function createSecret({ expiresAt, ...secret }: NewSecret) {
  const body = { ...secret, ...(expiresAt === undefined ? {} : { expiresAt }) }
  return call<typeof CREATE_SECRET>(caller(), { method: 'POST', path: '/api/secrets', body })
}

/** Its value stays stored; it is not found until the secret is active again. */
export function deactivateSecret(key: string) {
  return call<typeof DELETE_SECRET>(caller(), { method: 'DELETE', path: '/api/secrets/:key', params: { key } })
}

export function activateSecret(key: string) {
  return call<typeof UPDATE_SECRET>(caller(), { method: 'PUT', path: '/api/secrets/:key', params: { key }, body: { isActive: true } })
}
