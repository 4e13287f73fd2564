import { createHash } from 'node:crypto'
import { z } from 'zod'
import { type AuditEntry, type AuditHead, EMPTY_AUDIT_LOG, hashedText } from '../contract/audit-chain.ts'
import { formatTimestamp } from '../metering/timestamp.ts'
import type { ClickHouse } from '../sql/clickhouse.ts'
import { defineQuery } from '../sql/query.ts'
import { row } from '../sql/tab-separated.ts'

/** Who changes something or reads a secret, and in which request. Contains names, never secrets. */
export interface Actor {
  /** `admin`, `admin:finance:<token id>`, `partner:<id>`, or `service` for background jobs. */
  readonly name: string
  readonly requestId: string
}

/** Background jobs act without a request. */
export const SERVICE: Actor = { name: 'service', requestId: '' }

/** What the audit log records of a change. */
export interface AuditedChange {
  /** `<thing>.<verb>`, for example `partner.create`. */
  readonly action: string
  /** The id of the changed thing. */
  readonly subject: string
  /** Flat and small: texts, numbers, flags. Never a secret, and never the name or address of a person. */
  readonly details?: Readonly<Record<string, string | number | boolean | null | readonly string[]>>
}

/** A change with its actor, as the audit log gets it. */
export interface NotedChange {
  readonly actor: Actor
  readonly noted: AuditedChange
}

/** Writes the audit entry of a change in another module, immediately before the change is carried out. Throws StoreError. */
export type NoteChange = (noted: AuditedChange) => Promise<void>

/** The entries that follow `head`, each chained to the one before it. */
export function entriesAfter(head: AuditHead, nowMs: number, noted: readonly NotedChange[]): AuditEntry[] {
  const entries: AuditEntry[] = []
  for (const each of noted) entries.push(entryAfter(entries.at(-1) ?? head, nowMs, each))
  return entries
}

function entryAfter(head: AuditHead, nowMs: number, { actor, noted }: NotedChange): AuditEntry {
  const entry = {
    seq: head.seq + 1,
    at: formatTimestamp(nowMs),
    actor: actor.name,
    action: noted.action,
    // A lone surrogate would be stored as another character, and the stored entry would no longer match its hash.
    subject: Buffer.from(noted.subject, 'utf8').toString('utf8'),
    details: JSON.stringify(noted.details ?? {}),
    request_id: actor.requestId,
    previous_hash: head.hash,
  }
  return { ...entry, hash: createHash('sha256').update(hashedText(entry)).digest('hex') }
}

export const AUDIT_COLUMNS = ['seq', 'at_ms', 'actor', 'action', 'subject', 'details', 'request_id', 'previous_hash', 'hash'] as const

export function auditRow(owner: readonly (string | number)[], entry: AuditEntry): string {
  const { seq, at, actor, action, subject, details, request_id, previous_hash, hash } = entry
  return row([...owner, seq, Date.parse(at), actor, action, subject, details, request_id, previous_hash, hash])
}

/** Throws StoreError. */
export async function readAuditHead({ registry }: ClickHouse): Promise<AuditHead> {
  const [head] = await registry.query(auditHead, {})
  return head ?? EMPTY_AUDIT_LOG
}

const auditHead = defineQuery({
  name: 'audit_head',
  sql: 'SELECT seq, hash FROM audit_log_v1 ORDER BY seq DESC LIMIT 1',
  params: z.object({}),
  row: z.object({ seq: z.coerce.number(), hash: z.string() }),
})

/** A page of the whole log, or of the entries of one action or subject. */
export interface AuditPage {
  readonly newestFirst: boolean
  /** The last entry of the previous page. */
  readonly after?: number | undefined
  /** Empty: every action. */
  readonly action: string
  /** Empty: every subject. */
  readonly subject: string
  readonly limit: number
}

/** Throws StoreError. */
export async function listAuditEntries({ registry }: ClickHouse, { newestFirst, after, ...filter }: AuditPage): Promise<AuditEntry[]> {
  const rows = await registry.query(auditEntries, {
    ...filter,
    isNewestFirst: newestFirst ? 1 : 0,
    after: after ?? (newestFirst ? Number.MAX_SAFE_INTEGER : 0),
  })
  return rows.map(({ atMs, ...entry }) => ({ ...entry, at: formatTimestamp(atMs) }))
}

const auditEntries = defineQuery({
  name: 'audit_entries',
  sql: `SELECT seq, toUnixTimestamp64Milli(at) AS atMs, actor, action, subject, details, request_id, previous_hash, hash
        FROM audit_log_v1 FINAL
        WHERE if({isNewestFirst: UInt64} = 1, seq < {after: UInt64}, seq > {after: UInt64})
          AND ({action: String} = '' OR action = {action: String}) AND ({subject: String} = '' OR subject = {subject: String})
        ORDER BY if({isNewestFirst: UInt64} = 1, -toInt64(seq), toInt64(seq)), hash
        LIMIT {limit: UInt64}`,
  params: z.object({
    isNewestFirst: z.number(),
    after: z.number(),
    action: z.string(),
    subject: z.string(),
    limit: z.number(),
  }),
  row: z.object({
    seq: z.coerce.number(),
    atMs: z.coerce.number(),
    actor: z.string(),
    action: z.string(),
    subject: z.string(),
    details: z.string(),
    request_id: z.string(),
    previous_hash: z.string(),
    hash: z.string(),
  }),
})
