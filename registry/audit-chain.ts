import { type AuditEntry, type AuditHead, EMPTY_AUDIT_LOG, hashOf } from './audit-log.ts'

export type ChainVerdict =
  | { readonly status: 'whole'; readonly head: AuditHead; readonly entries: number }
  | { readonly status: 'broken'; readonly seq: number; readonly reason: string }

/**
 * Follows the chain from its first entry. An entry that was changed has another hash than it says; one that was taken out or put
 * in breaks the numbers or the hash before. What was cut off at the end nothing in the log can tell: for that, `noted` is
 * an end that somebody wrote down elsewhere.
 */
export async function verifyAuditChain(entries: AsyncIterable<AuditEntry>, noted?: AuditHead): Promise<ChainVerdict> {
  let head: AuditHead = EMPTY_AUDIT_LOG
  let isNotedSeen = noted === undefined || noted.seq === EMPTY_AUDIT_LOG.seq
  for await (const entry of entries) {
    const reason = mistakeOf(entry, head)
    if (reason !== undefined) return { status: 'broken', seq: entry.seq, reason }
    head = { seq: entry.seq, hash: entry.hash }
    if (noted !== undefined && entry.seq === noted.seq) {
      if (entry.hash !== noted.hash) return { status: 'broken', seq: entry.seq, reason: `its hash is ${entry.hash}, and ${noted.hash} was noted` }
      isNotedSeen = true
    }
  }
  if (!isNotedSeen) return { status: 'broken', seq: head.seq, reason: `the log ends here, and entry ${noted?.seq} was noted` }
  return { status: 'whole', head, entries: head.seq }
}

function mistakeOf(entry: AuditEntry, head: AuditHead): string | undefined {
  if (entry.seq !== head.seq + 1) return `it follows entry ${head.seq}: entries are missing, or one is there twice`
  if (entry.previous_hash !== head.hash) return 'it does not follow the entry before: its previous_hash is another'
  return hashOf(entry) === entry.hash ? undefined : 'it was changed: its hash is another'
}
