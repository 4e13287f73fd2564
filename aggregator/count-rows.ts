/** Counts the rows of a text that comes in pieces: line ends, in CSV only those outside quotes. Nothing is decoded. */
export class RowCounter {
  readonly #quotes: boolean
  #inQuotes = false
  rows = 0

  constructor({ quotes }: { quotes: boolean }) {
    this.#quotes = quotes
  }

  add(piece: Uint8Array): void {
    for (let at = 0; at < piece.length; at += 1) {
      const byte = piece[at]
      if (byte === LINE_FEED && !this.#inQuotes) this.rows += 1
      else if (byte === QUOTE && this.#quotes) this.#inQuotes = !this.#inQuotes
    }
  }
}

const LINE_FEED = 0x0a
const QUOTE = 0x22
