/**
 * The hash of an identity: an integer below 2^53, the same as IDENTITY_HASH_SQL computes in ClickHouse. Rows of raw are indexed by
 * it, so its result for an identity must never change. Two identities with one hash cost a look-up in raw and nothing else, so an
 * emitter who makes such ids slows down nobody more than by sending duplicates.
 */
export type IdentityHash = number

/** The first 32 bits are MurmurHash3, the other 21 are of MurmurHash2: both are cheap in 32-bit arithmetic, the only fast one here. */
export function hashIdentity(projectId: string, eventId: string): IdentityHash {
  const length = writeKey(projectId, eventId)
  let high = 0
  let low = length
  const end = length >> 2
  for (let at = 0; at < end; at += 1) {
    const word = words[at] ?? 0
    high = Math.imul(rotate(high ^ scramble(word), 13), 5) + 0xe6546b64
    const mixed = Math.imul(word, M)
    low = Math.imul(low, M) ^ Math.imul(mixed ^ (mixed >>> 24), M)
  }
  const rest = length & 3
  if (rest > 0) {
    const word = (words[end] ?? 0) & (2 ** (8 * rest) - 1)
    high ^= scramble(word)
    low = Math.imul(low ^ word, M)
  }
  high = finish(high ^ length)
  low = Math.imul(low ^ (low >>> 13), M)
  low ^= low >>> 15
  return (high >>> 0) * LOW_VALUES + (low >>> LOW_DROPPED_BITS)
}

/** The high 32 bits of a hash. */
export function highBits(hash: IdentityHash): number {
  return Math.floor(hash / LOW_VALUES)
}

/** The low 21 bits of a hash. */
export function lowBits(hash: IdentityHash): number {
  return hash - highBits(hash) * LOW_VALUES
}

/** The same hash in SQL, over the columns project_id and event_id. The two fields are separated by a character that neither can contain. */
export const IDENTITY_HASH_SQL =
  "murmurHash3_32(concat(project_id, '\\x1F', event_id)) * 2097152 + bitShiftRight(murmurHash2_32(concat(project_id, '\\x1F', event_id)), 11)"

const LOW_VALUES = 2 ** 21
const LOW_DROPPED_BITS = 11
const SEPARATOR = 0x1f
const M = 0x5bd1e995
/** Longer than the longest identity that is accepted. The arithmetic is that of a little-endian machine, as all that Node runs on are. */
const KEY_BYTES_MAX = 2048
const bytes = new Uint8Array(KEY_BYTES_MAX)
const words = new Int32Array(bytes.buffer)
const encoder = new TextEncoder()

/** Writes the bytes to hash and returns their number. Nearly all ids are ASCII; the others are hashed as the UTF-8 that is stored. */
function writeKey(projectId: string, eventId: string): number {
  const separatorAt = writeText(projectId, 0)
  bytes[separatorAt] = SEPARATOR
  return writeText(eventId, separatorAt + 1)
}

function writeText(text: string, from: number): number {
  const { length } = text
  if (from + length * 3 >= KEY_BYTES_MAX) throw new Error(`An identity of more than ${KEY_BYTES_MAX} bytes cannot be hashed.`)
  for (let at = 0; at < length; at += 1) {
    const code = text.charCodeAt(at)
    if (code > 0x7f) return from + encoder.encodeInto(text, bytes.subarray(from)).written
    bytes[from + at] = code
  }
  return from + length
}

function scramble(word: number): number {
  return Math.imul(rotate(Math.imul(word, 0xcc9e2d51), 15), 0x1b873593)
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}

/** MurmurHash3's finalizer: every bit of the input changes every bit of the output. */
function finish(hash: number): number {
  let mixed = hash ^ (hash >>> 16)
  mixed = Math.imul(mixed, 0x85ebca6b)
  mixed ^= mixed >>> 13
  mixed = Math.imul(mixed, 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}
