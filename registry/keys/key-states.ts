import { PROJECT_TOKEN_SECONDS } from '../../contract/authorization.ts'
import type { KeyState } from '../../contract/signing-keys.ts'

/** What decides the state of a signing key. Times are in ms since 1970. */
export interface KeyTimes {
  readonly kid: string
  readonly createdMs: number
  readonly signsFromMs: number
  readonly withdrawnMs: number | null
}

/** How long a key is published before it signs. Longer than the JWKS may be cached, so that every verifier has the key by then. */
export const PUBLISH_LEAD_MS = 10 * 60_000
/** How far clocks may differ when the times of a token are checked. */
export const CLOCK_LEEWAY_SECONDS = 5
/** Added to the lifetime of a key's last token: a process with a late clock or a cached list of keys still signs with the old key. */
export const RETIRE_MARGIN_MS = 60_000

/** The state of one of `keys`. Depends on stored times and the current time only, so all processes agree without communication. */
export function stateOf(keys: readonly KeyTimes[], key: KeyTimes, nowMs: number): KeyState {
  if (key.withdrawnMs !== null) return 'withdrawn'
  const kids = inOrder(keys).map(({ kid }) => kid)
  const signing = currentSigningKey(keys, nowMs)
  if (key.kid === signing?.kid) return 'signing'
  if (signing !== undefined && kids.indexOf(key.kid) > kids.indexOf(signing.kid)) return 'next'
  return canVerify(keys, key, { nowMs, lifetimeSeconds: PROJECT_TOKEN_SECONDS }) ? 'retiring' : 'retired'
}

/** The key that signs now: the last one whose time has come. Undefined when every key is withdrawn. */
export function currentSigningKey<K extends KeyTimes>(keys: readonly K[], nowMs: number): K | undefined {
  const order = inOrder(keys)
  // If this clock is behind the clock of the process that created the only key, no key's time has come: use the first one.
  return order.findLast(({ signsFromMs }) => signsFromMs <= nowMs) ?? order[0]
}

/** Whether a token of this lifetime that the key has signed may still be valid. A key signs until its successor does. */
export function canVerify(keys: readonly KeyTimes[], key: KeyTimes, { nowMs, lifetimeSeconds }: { nowMs: number; lifetimeSeconds: number }): boolean {
  const order = inOrder(keys)
  const position = order.findIndex(({ kid }) => kid === key.kid)
  if (position === -1) return false
  const successor = order[position + 1]
  return successor === undefined || nowMs < successor.signsFromMs + lifetimeSeconds * 1000 + RETIRE_MARGIN_MS
}

/**
 * When a new key begins to sign: immediately when it is the first or all others are withdrawn; otherwise after it was published
 * for long enough and after every existing key, so that keys sign in the order of their kids.
 */
export function signsFrom(keys: readonly KeyTimes[], nowMs: number): number {
  const last = inOrder(keys).at(-1)
  return last === undefined ? nowMs : Math.max(nowMs + PUBLISH_LEAD_MS, last.signsFromMs + 1)
}

/** `meterline-key-YYYY-MM-DD` of the current day in UTC; further keys of the day get `-2`, `-3`. No kid is used twice. */
export function nextKid(keys: readonly KeyTimes[], nowMs: number): string {
  const first = `meterline-key-${new Date(nowMs).toISOString().slice(0, 10)}`
  const taken = new Set(keys.map(({ kid }) => kid))
  for (let number = 1; ; number += 1) {
    const kid = number === 1 ? first : `${first}-${number}`
    if (!taken.has(kid)) return kid
  }
}

/** The keys that are not withdrawn, in the order in which they sign. */
function inOrder<K extends KeyTimes>(keys: readonly K[]): K[] {
  return keys
    .filter(({ withdrawnMs }) => withdrawnMs === null)
    .sort((a, b) => a.signsFromMs - b.signsFromMs || a.createdMs - b.createdMs || (a.kid < b.kid ? -1 : 1))
}
