/** What decides about a signing key. ms since 1970. */
export interface KeyTimes {
  readonly kid: string
  readonly createdMs: number
  readonly signsFromMs: number
  readonly withdrawnMs: number | null
}

/** `next` is published and signs later, `retiring` is published for the tokens it has signed; the last two are not published. */
export const KEY_STATES = ['next', 'signing', 'retiring', 'retired', 'withdrawn'] as const
export type KeyState = (typeof KEY_STATES)[number]

/** How long a key is published before it signs: whoever keeps the JWKS for as long as it says has the key by then. */
export const PUBLISH_LEAD_MS = 10 * 60_000
/** How long others may keep the JWKS. */
export const JWKS_KEEP_SECONDS = 300

export const PROJECT_TOKEN_SECONDS = 600
export const ADMIN_TOKEN_SECONDS_MAX = 43_200
/** How far clocks may differ when a token's times are judged. */
export const CLOCK_LEEWAY_SECONDS = 5
/** Beyond the lifetime of its last token: a process whose clock is behind, or that read the keys a moment ago, signs on with the old key. */
export const RETIRE_MARGIN_MS = 60_000

/** Where a key of `keys` stands: of their stored times and now alone, so that all processes agree without telling each other. */
export function stateOf(keys: readonly KeyTimes[], key: KeyTimes, nowMs: number): KeyState {
  if (key.withdrawnMs !== null) return 'withdrawn'
  const kids = inOrder(keys).map(({ kid }) => kid)
  const signing = signingAmong(keys, nowMs)
  if (key.kid === signing?.kid) return 'signing'
  if (signing !== undefined && kids.indexOf(key.kid) > kids.indexOf(signing.kid)) return 'next'
  return mayVerify(keys, key, { nowMs, lifetimeSeconds: PROJECT_TOKEN_SECONDS }) ? 'retiring' : 'retired'
}

/** The key that signs now: the last one whose time has come. Undefined when there is none but withdrawn ones. */
export function signingAmong<K extends KeyTimes>(keys: readonly K[], nowMs: number): K | undefined {
  const order = inOrder(keys)
  // Where this clock is behind the one that made the only key, no key's time has come: the first one it is.
  return order.findLast(({ signsFromMs }) => signsFromMs <= nowMs) ?? order[0]
}

/** Whether what the key signed may still be good, for tokens that live so long. A key is of use to the tokens it signed before its successor did. */
export function mayVerify(keys: readonly KeyTimes[], key: KeyTimes, { nowMs, lifetimeSeconds }: { nowMs: number; lifetimeSeconds: number }): boolean {
  const order = inOrder(keys)
  const place = order.findIndex(({ kid }) => kid === key.kid)
  if (place === -1) return false
  const successor = order[place + 1]
  return successor === undefined || nowMs < successor.signsFromMs + lifetimeSeconds * 1000 + RETIRE_MARGIN_MS
}

/** When a new key signs. The first one at once, and one that replaces withdrawn ones; later than all there are, so that kids take turns in their order. */
export function signsFrom(keys: readonly KeyTimes[], nowMs: number): number {
  const last = inOrder(keys).at(-1)
  return last === undefined ? nowMs : Math.max(nowMs + PUBLISH_LEAD_MS, last.signsFromMs + 1)
}

/** `meterline-key-YYYY-MM-DD` of the day in UTC, with `-2`, `-3` appended on the same day; no kid is used twice. */
export function nextKid(keys: readonly KeyTimes[], nowMs: number): string {
  const first = `meterline-key-${new Date(nowMs).toISOString().slice(0, 10)}`
  const taken = new Set(keys.map(({ kid }) => kid))
  for (let number = 1; ; number += 1) {
    const kid = number === 1 ? first : `${first}-${number}`
    if (!taken.has(kid)) return kid
  }
}

/** Those that are not withdrawn, in the order in which they sign. */
function inOrder<K extends KeyTimes>(keys: readonly K[]): K[] {
  return keys
    .filter(({ withdrawnMs }) => withdrawnMs === null)
    .sort((a, b) => a.signsFromMs - b.signsFromMs || a.createdMs - b.createdMs || (a.kid < b.kid ? -1 : 1))
}
