/**
 * What a failed statement means to its caller:
 * - `fenced`: a newer owner has the lease; nothing was stored.
 * - `unavailable`: the store cannot answer now (time-out, network, memory, full disk); a retry may succeed.
 *   After a write the outcome is unknown: the rows may still be stored.
 * - `too_large`: a limited query (sql/limited-reads.ts) would read or return more than it may; a retry fails as well.
 * - `exhausted`: a limited query took too long, or more memory than there was. ClickHouse has the same code for the query's own
 *   limit and for a busy machine, so it is unknown whether a retry succeeds.
 * - `refused`: the data itself was rejected; the same data will be rejected again.
 * - `fault`: everything else, such as wrong statements and missing tables.
 */
export type StoreFault = 'fenced' | 'unavailable' | 'too_large' | 'exhausted' | 'refused' | 'fault'

/** Every error that this module throws to others. `code` is the number of ClickHouse's error, if it reported one. */
export class StoreError extends Error {
  readonly fault: StoreFault
  readonly code: number | undefined

  constructor(fault: StoreFault, message: string, options: { code?: number | undefined; cause?: unknown } = {}) {
    super(message, { cause: options.cause })
    this.name = 'StoreError'
    this.fault = fault
    this.code = options.code
  }
}

/** Turns anything thrown into a StoreError, by its code or class and never by the text of its message. */
export function classifyStoreError(thrown: unknown): StoreError {
  if (thrown instanceof StoreError) return thrown
  const code = clickHouseCode(thrown)
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return new StoreError(faultOf(code, thrown), message, { code, cause: thrown })
}

/** Whether the store, or a shard that was needed, does not answer. */
export function isUnavailable(thrown: unknown): thrown is StoreError {
  return thrown instanceof StoreError && thrown.fault === 'unavailable'
}

/** Whether a write was rejected because a newer owner has its lease. */
export function isFenced(thrown: unknown): boolean {
  return classifyStoreError(thrown).fault === 'fenced'
}

/** Whether another owner acquired the lease of a statement: that fences off later writes and kills those in progress. */
export function isOvertaken(thrown: unknown): boolean {
  const { fault, code } = classifyStoreError(thrown)
  return fault === 'fenced' || code === QUERY_WAS_CANCELLED_CODE
}

const FENCE_CODE = 395 // FUNCTION_THROW_IF_VALUE_IS_NON_ZERO: only the fencing views use throwIf
const NOT_ENOUGH_SPACE_CODE = 243
export const ACCESS_DENIED_CODE = 497
export const UNKNOWN_TABLE_CODE = 60
export const QUERY_WAS_CANCELLED_CODE = 394

/** Codes of a statement that was stopped because it read or returned more than its own settings allow. */
const OVER_LIMITS_CODES = new Set([
  158, // TOO_MANY_ROWS
  307, // TOO_MANY_BYTES
  396, // TOO_MANY_ROWS_OR_BYTES
])

/** Codes of a statement that was stopped either by its own limits or by the load of the machine. */
const EXHAUSTED_CODES = new Set([
  159, // TIMEOUT_EXCEEDED
  160, // TOO_SLOW
  241, // MEMORY_LIMIT_EXCEEDED
])

/** Like classifyStoreError, but for a limited query, which can be `too_large` or `exhausted`. */
export function classifyLimitedRead(thrown: unknown): StoreError {
  const error = classifyStoreError(thrown)
  const { code, message } = error
  if (code === undefined) return error
  if (OVER_LIMITS_CODES.has(code)) return new StoreError('too_large', message, { code, cause: error })
  return EXHAUSTED_CODES.has(code) ? new StoreError('exhausted', message, { code, cause: error }) : error
}

/** Whether a statement took too long, or more memory than there was. */
export function tookTooMuch(thrown: unknown): boolean {
  const { code } = classifyStoreError(thrown)
  return code !== undefined && EXHAUSTED_CODES.has(code)
}

/** Whether a statement was stopped by a limit, its own or that of the machine: one that asks for less may pass. */
export function metLimit(thrown: unknown): boolean {
  const { code } = classifyStoreError(thrown)
  return code !== undefined && (EXHAUSTED_CODES.has(code) || OVER_LIMITS_CODES.has(code))
}

/** Codes after which a retry may succeed. The names are those of ClickHouse's own list. */
const UNAVAILABLE_CODES = new Set([
  3, // UNEXPECTED_END_OF_FILE
  32, // ATTEMPT_TO_READ_AFTER_EOF (another server ended while it was read)
  74, // CANNOT_READ_FROM_FILE_DESCRIPTOR
  75, // CANNOT_WRITE_TO_FILE_DESCRIPTOR (for example a full disk)
  76, // CANNOT_OPEN_FILE
  159, // TIMEOUT_EXCEEDED
  160, // TOO_SLOW
  164, // READONLY
  198, // DNS_ERROR
  201, // QUOTA_EXCEEDED
  202, // TOO_MANY_SIMULTANEOUS_QUERIES
  203, // NO_FREE_CONNECTION
  209, // SOCKET_TIMEOUT
  210, // NETWORK_ERROR
  216, // QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING (a proxy sent it twice)
  236, // ABORTED
  241, // MEMORY_LIMIT_EXCEEDED
  242, // TABLE_IS_READ_ONLY
  NOT_ENOUGH_SPACE_CODE,
  252, // TOO_MANY_PARTS
  279, // ALL_CONNECTION_TRIES_FAILED
  319, // UNKNOWN_STATUS_OF_INSERT
  372, // SESSION_NOT_FOUND (a proxy sent it twice, or the server restarted)
  373, // SESSION_IS_LOCKED
  QUERY_WAS_CANCELLED_CODE,
  439, // CANNOT_SCHEDULE_TASK
  774, // TABLE_IS_PERMANENTLY_READ_ONLY
  999, // KEEPER_EXCEPTION
  1001, // STD_EXCEPTION
])

/** Codes that say that the rows themselves cannot be stored. */
const REFUSED_CODES = new Set([
  6, // CANNOT_PARSE_TEXT
  26, // CANNOT_PARSE_QUOTED_STRING
  27, // CANNOT_PARSE_INPUT_ASSERTION_FAILED
  33, // CANNOT_READ_ALL_DATA
  38, // CANNOT_PARSE_DATE
  41, // CANNOT_PARSE_DATETIME
  53, // TYPE_MISMATCH
  69, // ARGUMENT_OUT_OF_BOUND
  70, // CANNOT_CONVERT_TYPE
  72, // CANNOT_PARSE_NUMBER
  117, // INCORRECT_DATA
  131, // TOO_LARGE_STRING_SIZE
  321, // VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
  407, // DECIMAL_OVERFLOW
  469, // VIOLATED_CONSTRAINT
])

function faultOf(code: number | undefined, thrown: unknown): StoreFault {
  if (code === undefined) return isNetworkError(thrown) ? 'unavailable' : 'fault'
  if (code === FENCE_CODE) return 'fenced'
  if (UNAVAILABLE_CODES.has(code)) return 'unavailable'
  return REFUSED_CODES.has(code) ? 'refused' : 'fault'
}

function clickHouseCode(thrown: unknown): number | undefined {
  if (typeof thrown !== 'object' || thrown === null) return undefined
  if ('clickhouseCode' in thrown && typeof thrown.clickhouseCode === 'number') return thrown.clickhouseCode
  if ('code' in thrown && typeof thrown.code === 'string' && /^\d+$/.test(thrown.code)) return Number(thrown.code)
  return 'cause' in thrown ? clickHouseCode(thrown.cause) : undefined
}

function isNetworkError(thrown: unknown): boolean {
  if (typeof thrown !== 'object' || thrown === null) return false
  if ('syscall' in thrown || ('name' in thrown && (thrown.name === 'AbortError' || thrown.name === 'TimeoutError'))) return true
  if ('code' in thrown && typeof thrown.code === 'string' && NETWORK_CODES.has(thrown.code)) return true
  return 'cause' in thrown && isNetworkError(thrown.cause)
}

const NETWORK_CODES = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_SOCKET', 'ERR_STREAM_PREMATURE_CLOSE'])
