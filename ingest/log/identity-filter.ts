/** The memory that the filters of a process share. */
export class FilterBudget {
  #bytesLeft: number

  constructor(bytesMax: number) {
    this.#bytesLeft = bytesMax
  }

  reserve(bytes: number): boolean {
    if (bytes > this.#bytesLeft) return false
    this.#bytesLeft -= bytes
    return true
  }

  giveBack(bytes: number): void {
    this.#bytesLeft += bytes
  }
}

/**
 * Answers for an identity either "certainly new" or "maybe stored". It is a Bloom filter of about 14 bits per identity that grows
 * in layers. A layer can never be dropped: its identities would pass as new and be counted twice. When the budget is used up,
 * the filter stops growing and answers "maybe" to everything, which is exact but slow.
 */
export class IdentityFilter {
  /** Set when every identity in raw has been added. Until then every answer is "maybe". */
  complete = false
  identities = 0
  #layers: Layer[] = []
  readonly #budget: FilterBudget

  constructor(options: { identitiesExpected: number; budget: FilterBudget }) {
    this.#budget = options.budget
    this.#grow(Math.max(options.identitiesExpected, IDENTITIES_MIN))
  }

  get bytes(): number {
    return this.#layers.reduce((sum, layer) => sum + layer.words.byteLength, 0)
  }

  /** Each layer adds its own false positives. */
  get layers(): number {
    return this.#layers.length
  }

  /** True when the budget is used up: later identities are in no layer, so nothing is certainly new any more. */
  get full(): boolean {
    const last = this.#layers.at(-1)
    return last === undefined || last.count >= last.capacity
  }

  /** Whether the identity with this hash may be stored. False is certain. */
  mayContain(hash: IdentityHash): boolean {
    if (!this.complete || this.full) return true
    return this.#layers.some((layer) => contains(layer, hash))
  }

  add(hash: IdentityHash): void {
    const layer = this.#layers.at(-1)
    if (layer === undefined || this.full) return
    mark(layer, hash)
    this.identities += 1
    if (this.full) this.#grow(Math.ceil(this.identities * GROWTH))
  }

  /** Returns its memory to the budget. From then on every answer is "maybe". */
  release(): void {
    this.#budget.giveBack(this.bytes)
    this.#layers = []
    this.complete = false
  }

  #grow(capacity: number): void {
    const words = Math.min(Math.ceil((capacity * BITS_PER_IDENTITY) / 32), LAYER_WORDS_MAX)
    if (!this.#budget.reserve(words * 4)) return
    this.#layers.push({ words: new Uint32Array(words), bits: words * 32, capacity: Math.floor((words * 32) / BITS_PER_IDENTITY), count: 0 })
  }
}

export interface IdentityHash {
  readonly a: number
  readonly b: number
}

/** Two 32-bit hashes over both fields, separated by a character that can occur in neither. */
export function hashIdentity(projectId: string, eventId: string): IdentityHash {
  let a = 0x811c9dc5
  let b = 0x1234567
  for (let at = 0; at < projectId.length; at += 1) {
    const code = projectId.charCodeAt(at)
    a = Math.imul(a ^ code, 0x01000193)
    b = Math.imul(b + code, 0x85ebca6b)
    b ^= b >>> 13
  }
  a = Math.imul(a ^ 0x1f, 0x01000193)
  b = Math.imul(b + 0x1f, 0x85ebca6b)
  for (let at = 0; at < eventId.length; at += 1) {
    const code = eventId.charCodeAt(at)
    a = Math.imul(a ^ code, 0x01000193)
    b = Math.imul(b + code, 0x85ebca6b)
    b ^= b >>> 13
  }
  return { a: finish(a), b: finish(b) | 1 }
}

const BITS_PER_IDENTITY = 14
const PROBES = 10
const GROWTH = 0.5
const IDENTITIES_MIN = 250_000
/** 2^27 words are 2^32 bits, all that a 32-bit hash can address. */
const LAYER_WORDS_MAX = 2 ** 27

interface Layer {
  readonly words: Uint32Array
  readonly bits: number
  readonly capacity: number
  count: number
}

function contains(layer: Layer, { a, b }: IdentityHash): boolean {
  let hash = a
  for (let probe = 0; probe < PROBES; probe += 1) {
    const bit = (hash >>> 0) % layer.bits
    if (((layer.words[bit >>> 5] ?? 0) & (1 << (bit & 31))) === 0) return false
    hash = (hash + b) | 0
  }
  return true
}

function mark(layer: Layer, { a, b }: IdentityHash): void {
  let hash = a
  for (let probe = 0; probe < PROBES; probe += 1) {
    const bit = (hash >>> 0) % layer.bits
    layer.words[bit >>> 5] = (layer.words[bit >>> 5] ?? 0) | (1 << (bit & 31))
    hash = (hash + b) | 0
  }
  layer.count += 1
}

/** MurmurHash3's finalizer: every bit of the input moves every bit of the output. */
function finish(hash: number): number {
  let mixed = hash ^ (hash >>> 16)
  mixed = Math.imul(mixed, 0x85ebca6b)
  mixed ^= mixed >>> 13
  mixed = Math.imul(mixed, 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}
