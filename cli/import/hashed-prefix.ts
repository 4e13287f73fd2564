import { createHash } from 'node:crypto'
import { counted } from '../../metering/counted.ts'

/**
 * The SHA-256 of a content up to a place that only moves on. It shows whether a file still begins with what was read of it, whatever was
 * appended since.
 */
export class HashedPrefix {
  readonly #hash = createHash('sha256')
  /** Read, and behind the last place. */
  readonly #waiting: Buffer[] = []
  #hashedBytes = 0

  /** The hash of the first `bytes` bytes, which have been read. */
  digestAt(bytes: number): string {
    while (this.#hashedBytes < bytes) {
      const chunk = this.#waiting.shift()
      if (chunk === undefined) throw new RangeError(`Only ${counted(this.#hashedBytes, 'byte')} could be read, not ${bytes}.`)
      const wanted = Math.min(chunk.length, bytes - this.#hashedBytes)
      this.#hash.update(chunk.subarray(0, wanted))
      this.#hashedBytes += wanted
      if (wanted < chunk.length) this.#waiting.unshift(chunk.subarray(wanted))
    }
    return this.#hash.copy().digest('hex')
  }

  /** Hashes the first `bytes` bytes, or all if there are fewer, and returns the chunks behind them with the hash. */
  async skip(chunks: AsyncIterable<Buffer>, bytes: number): Promise<{ chunks: AsyncIterable<Buffer>; sha256: string }> {
    const iterator = chunks[Symbol.asyncIterator]()
    let rest: Buffer = Buffer.alloc(0)
    while (this.#hashedBytes < bytes) {
      const read = await iterator.next()
      if (read.done === true) break
      const wanted = Math.min(read.value.length, bytes - this.#hashedBytes)
      this.#hash.update(read.value.subarray(0, wanted))
      this.#hashedBytes += wanted
      rest = read.value.subarray(wanted)
    }
    const behind = async function* () {
      try {
        if (rest.length > 0) yield rest
        for (let read = await iterator.next(); read.done !== true; read = await iterator.next()) yield read.value
      } finally {
        await iterator.return?.()
      }
    }
    return { chunks: this.#follow(behind()), sha256: this.#hash.copy().digest('hex') }
  }

  /** Yields the chunks and remembers them until their place is hashed. */
  async *#follow(chunks: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
    for await (const chunk of chunks) {
      this.#waiting.push(chunk)
      yield chunk
    }
  }
}
