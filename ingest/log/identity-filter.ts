import { highBits, type IdentityHash, lowBits } from './identity-hash.ts'

/** The memory that the filters of a process share. */
export class FilterBudget {
  #bytesLeft: number

  constructor(bytesMax: number) {
    this.#bytesLeft = bytesMax
  }

  /** Reserves the bytes, or what is left if that is less, and returns how many are reserved. */
  reserve(bytes: number): number {
    const reserved = Math.min(bytes, this.#bytesLeft)
    this.#bytesLeft -= reserved
    return reserved
  }

  giveBack(bytes: number): void {
    this.#bytesLeft += bytes
  }

  /** Whether a filter of this many identities fits into one layer. */
  hasRoomFor(identities: number): boolean {
    return bytesOf(identities) <= this.#bytesLeft
  }
}

/**
 * Answers for an identity either "certainly new" or "maybe stored". It is a Bloom filter of 14 bits per identity that grows in
 * layers. A layer can never be dropped: its identities would pass as new and be counted twice. When the budget is used up,
 * the filter stops growing and answers "maybe" to everything, which is exact and costs a look-up for each event.
 *
 * A layer consists of blocks of 256 bits. All bits of an identity are in one block, so that adding it reads one place in memory
 * instead of ten: filling the filter takes a tenth of the time, for twice as many needless look-ups.
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

  /** Whether the answer "maybe stored" means that an identity probably is. */
  get isSelective(): boolean {
    return this.complete && !this.full
  }

  /** Whether the identity with this hash may be stored. False is certain. */
  mayContain(hash: IdentityHash): boolean {
    if (!this.isSelective) return true
    return this.#layers.some((layer) => contains(layer, hash))
  }

  add(hash: IdentityHash): void {
    const layer = this.#layers.at(-1)
    if (layer === undefined || layer.count >= layer.capacity) return
    mark(layer, hash)
    layer.count += 1
    this.identities += 1
    if (layer.count >= layer.capacity) this.#grow(Math.ceil(this.identities * GROWTH))
  }

  /** Returns its memory to the budget. From then on every answer is "maybe". */
  release(): void {
    this.#budget.giveBack(this.bytes)
    this.#layers = []
    this.complete = false
  }

  #grow(capacity: number): void {
    const reserved = this.#budget.reserve(bytesOf(capacity))
    const blocks = Math.floor(reserved / BLOCK_BYTES)
    this.#budget.giveBack(reserved - blocks * BLOCK_BYTES)
    if (blocks === 0) return
    const words = new Int32Array(blocks * BLOCK_WORDS)
    this.#layers.push({ words, blocks, capacity: Math.floor((blocks * BLOCK_BITS) / BITS_PER_IDENTITY), count: 0 })
  }
}

export const BITS_PER_IDENTITY = 14
const BLOCK_BITS = 256
const BLOCK_BYTES = BLOCK_BITS / 8
const BLOCK_WORDS = BLOCK_BITS / 32
const GROWTH = 0.5
const IDENTITIES_MIN = 250_000

function bytesOf(identities: number): number {
  return Math.ceil((identities * BITS_PER_IDENTITY) / BLOCK_BITS) * BLOCK_BYTES
}

interface Layer {
  readonly words: Int32Array
  readonly blocks: number
  readonly capacity: number
  count: number
}

function contains({ words, blocks }: Layer, hash: IdentityHash): boolean {
  const at = firstWord(blocks, hash)
  const key = bitsKey(hash)
  return (
    isSet(words, at, bitOf(key, SALT_0)) &&
    isSet(words, at + 1, bitOf(key, SALT_1)) &&
    isSet(words, at + 2, bitOf(key, SALT_2)) &&
    isSet(words, at + 3, bitOf(key, SALT_3)) &&
    isSet(words, at + 4, bitOf(key, SALT_4)) &&
    isSet(words, at + 5, bitOf(key, SALT_5)) &&
    isSet(words, at + 6, bitOf(key, SALT_6)) &&
    isSet(words, at + 7, bitOf(key, SALT_7))
  )
}

/** Without a loop, which would take twice as long: a fill does this for every stored identity. */
function mark({ words, blocks }: Layer, hash: IdentityHash): void {
  const at = firstWord(blocks, hash)
  const key = bitsKey(hash)
  set(words, at, bitOf(key, SALT_0))
  set(words, at + 1, bitOf(key, SALT_1))
  set(words, at + 2, bitOf(key, SALT_2))
  set(words, at + 3, bitOf(key, SALT_3))
  set(words, at + 4, bitOf(key, SALT_4))
  set(words, at + 5, bitOf(key, SALT_5))
  set(words, at + 6, bitOf(key, SALT_6))
  set(words, at + 7, bitOf(key, SALT_7))
}

/** One for each word of a block: odd numbers that choose its bit. They are those of the split block filter of Apache Parquet. */
const SALT_0 = 0x47b6137b
const SALT_1 = 0x44974d91
const SALT_2 = 0x8824ad5b
const SALT_3 = 0xa2b7289d
const SALT_4 = 0x705495c7
const SALT_5 = 0x2df1424b
const SALT_6 = 0x9efc4947
const SALT_7 = 0x5c6bfb31

/** The block of an identity: its high bits as a fraction of the layer. */
function firstWord(blocks: number, hash: IdentityHash): number {
  return Math.floor((highBits(hash) * blocks) / 2 ** 32) * BLOCK_WORDS
}

/** Mixes in the bits that did not choose the block. */
function bitsKey(hash: IdentityHash): number {
  return Math.imul(lowBits(hash), 0x9e3779b1) ^ highBits(hash)
}

function bitOf(key: number, salt: number): number {
  return 1 << (Math.imul(key, salt) >>> 27)
}

function isSet(words: Int32Array, at: number, bit: number): boolean {
  return ((words[at] ?? 0) & bit) !== 0
}

function set(words: Int32Array, at: number, bit: number): void {
  words[at] = (words[at] ?? 0) | bit
}
