/** Makes an id that sorts by time (RFC 9562, 5.7): 48 bits of milliseconds since 1970, then 74 random bits. */
export function uuidV7(nowMs: number): string {
  if (used + RANDOM_BYTES > pool.length) {
    crypto.getRandomValues(pool)
    used = 0
  }
  const time = Math.max(0, Math.floor(nowMs)).toString(16).padStart(12, '0')
  const random = hexOf(pool.subarray(used, used + RANDOM_BYTES))
  used += RANDOM_BYTES
  const variant = ((Number.parseInt(random.slice(3, 4), 16) & 3) | 8).toString(16)
  return `${time.slice(0, 8)}-${time.slice(8, 12)}-7${random.slice(0, 3)}-${variant}${random.slice(4, 7)}-${random.slice(7, 19)}`
}

const RANDOM_BYTES = 10
/** One call of getRandomValues for many ids: it costs more than all the rest. */
const pool = new Uint8Array(RANDOM_BYTES * 400)
let used = pool.length
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

function hexOf(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += HEX[byte]
  return text
}
