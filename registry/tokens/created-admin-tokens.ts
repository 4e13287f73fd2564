import { z } from 'zod'
import { ADMIN_TOKEN_SECONDS_MAX } from '../../contract/admin-tokens.ts'
import { ADMIN_ROLES, type AdminRole } from '../../contract/lists.ts'
import { defineQuery } from '../../sql/query.ts'
import type { AuditedChange } from '../audit-log.ts'
import type { RegistryReads } from '../changes.ts'
import { RETIRE_MARGIN_MS } from '../keys/key-states.ts'

/** An admin JWT that was created. The audit log is the only list of them: no token is handed out before its entry is stored. */
export interface CreatedToken {
  /** Of its entry in the audit log: the order of creation. */
  readonly seq: number
  readonly id: string
  readonly role: AdminRole
  /** In ms since 1970. */
  readonly createdMs: number
  readonly expiresMs: number
}

/** The action and the details that the queries below read. */
export function creationOf({ id, role, expiresAt }: { id: string; role: AdminRole; expiresAt: string }): AuditedChange {
  return { action: CREATED, subject: id, details: { role, expires_at: expiresAt } }
}

/** Undefined when no token with this id was created. Throws StoreError. */
export async function findCreatedToken({ clickhouse }: RegistryReads, id: string): Promise<CreatedToken | undefined> {
  const [token] = await clickhouse.registry.query(createdTokenById, { action: CREATED, id })
  return token
}

/** The tokens that have not expired, oldest first, after the last one of the previous page. Throws StoreError. */
export function listLivingTokens(
  { clickhouse }: RegistryReads,
  { nowMs, afterSeq, limit }: { nowMs: number; afterSeq: number; limit: number },
): Promise<CreatedToken[]> {
  const createdFromMs = nowMs - ADMIN_TOKEN_SECONDS_MAX * 1000 - RETIRE_MARGIN_MS
  return clickhouse.registry.query(livingTokens, { action: CREATED, nowMs, createdFromMs, afterSeq, limit })
}

const CREATED = 'admin-token.create'

const CREATED_SELECT = `SELECT seq, subject AS id, JSONExtractString(details, 'role') AS role, toUnixTimestamp64Milli(at) AS createdMs,
          toUnixTimestamp64Milli(parseDateTime64BestEffort(JSONExtractString(details, 'expires_at'), 3, 'UTC')) AS expiresMs
        FROM audit_log_v1 FINAL`

const CreatedRow = z.object({
  seq: z.coerce.number(),
  id: z.string(),
  role: z.enum(ADMIN_ROLES),
  createdMs: z.coerce.number(),
  expiresMs: z.coerce.number(),
})

const createdTokenById = defineQuery({
  name: 'created_admin_token_by_id',
  sql: `${CREATED_SELECT} WHERE action = {action: String} AND subject = {id: String}`,
  params: z.object({ action: z.string(), id: z.string() }),
  row: CreatedRow,
})

/** `createdFromMs` bounds what is parsed: no token lives longer. */
const livingTokens = defineQuery({
  name: 'living_admin_tokens',
  sql: `SELECT * FROM (${CREATED_SELECT}
          WHERE action = {action: String} AND seq > {afterSeq: UInt64} AND at >= fromUnixTimestamp64Milli({createdFromMs: Int64}, 'UTC'))
        WHERE expiresMs > {nowMs: Int64} ORDER BY seq LIMIT {limit: UInt64}`,
  params: z.object({ action: z.string(), nowMs: z.number(), createdFromMs: z.number(), afterSeq: z.number(), limit: z.number() }),
  row: CreatedRow,
})
