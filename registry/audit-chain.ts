import { type AuditEntry, type AuditHead, EMPTY_AUDIT_LOG, hashOf } from './audit-log.ts'

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
    const reason = faultOf(entry, head)
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

function faultOf(entry: AuditEntry, head: AuditHead): string | undefined {
  if (entry.seq !== head.seq + 1) return `it follows entry ${head.seq}, so entries are missing or duplicated`
  if (entry.previous_hash !== head.hash) return 'its previous_hash is not the hash of the previous entry'
  return hashOf(entry) === entry.hash ? undefined : 'it was changed: its hash does not match its fields'
}
