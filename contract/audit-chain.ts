/** An entry as it is stored and returned. `details` is JSON text, because the hash covers its exact bytes. */
export interface AuditEntry {
  readonly seq: number
  /** RFC 3339, UTC. */
  readonly at: string
  readonly actor: string
  readonly action: string
  readonly subject: string
  readonly details: string
  readonly request_id: string
  readonly previous_hash: string
  readonly hash: string
}

/** The last entry, which the next one follows. */
export interface AuditHead {
  readonly seq: number
  readonly hash: string
}

export const EMPTY_AUDIT_LOG: AuditHead = { seq: 0, hash: '' }

/** The hash of an entry is the SHA-256 of this text: the JSON list of all its other fields, in this order. */
export function hashedText({ previous_hash, seq, at, actor, action, subject, details, request_id }: Omit<AuditEntry, 'hash'>): string {
  return JSON.stringify([previous_hash, seq, at, actor, action, subject, details, request_id])
}

export type ChainVerdict =
  | { readonly status: 'whole'; readonly head: AuditHead; readonly entries: number }
  | { readonly status: 'broken'; readonly seq: number; readonly reason: string }

/**
 * Verifies the chain from its first entry. The hash of a changed entry does not match its fields; a removed or inserted entry
 * breaks the numbers or the previous hashes. The log alone cannot show that its end was cut off: to detect that, pass
 * `notedHead`, a head of the log that was noted elsewhere.
 */
export async function verifyAuditChain(entries: AsyncIterable<AuditEntry>, notedHead?: AuditHead): Promise<ChainVerdict> {
  let head: AuditHead = EMPTY_AUDIT_LOG
  let isNotedSeen = notedHead === undefined || notedHead.seq === EMPTY_AUDIT_LOG.seq
  for await (const entry of entries) {
    const reason = await faultOf(entry, head)
    if (reason !== undefined) return { status: 'broken', seq: entry.seq, reason }
    head = { seq: entry.seq, hash: entry.hash }
    if (notedHead !== undefined && entry.seq === notedHead.seq) {
      if (entry.hash !== notedHead.hash) return { status: 'broken', seq: entry.seq, reason: `its hash is ${entry.hash}, but ${notedHead.hash} was noted` }
      isNotedSeen = true
    }
  }
  if (!isNotedSeen) return { status: 'broken', seq: head.seq, reason: `the log ends here, but entry ${notedHead?.seq} was noted` }
  return { status: 'whole', head, entries: head.seq }
}

async function faultOf(entry: AuditEntry, head: AuditHead): Promise<string | undefined> {
  if (entry.seq !== head.seq + 1) return `it follows entry ${head.seq}, so entries are missing or duplicated`
  if (entry.previous_hash !== head.hash) return 'its previous_hash is not the hash of the previous entry'
  return (await sha256(hashedText(entry))) === entry.hash ? undefined : 'it was changed: its hash does not match its fields'
}

/** By the Web Crypto of browsers and of Node: the chain can be verified wherever its entries can be read. */
async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
