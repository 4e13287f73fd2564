/**
 * Texts that nearly every event repeats, such as the name of its metric: each is made once and then found by its bytes. A text that shares
 * its place with another one is made again. They are copies of their own, so none keeps the bytes of a batch in memory.
 */
export class RepeatedTexts {
  readonly #texts: (string | undefined)[] = Array.from({ length: PLACES }, () => undefined)

  /** The text between two positions. Its bytes must be ASCII. */
  at(bytes: Buffer, start: number, end: number): string {
    const place = (end - start + 7 * (bytes[start] ?? 0) + 31 * (bytes[end - 1] ?? 0)) % PLACES
    const known = this.#texts[place]
    if (known !== undefined && isAt(bytes, start, end, known)) return known
    const text = bytes.toString('latin1', start, end)
    this.#texts[place] = text
    return text
  }
}

const PLACES = 256

function isAt(bytes: Buffer, start: number, end: number, text: string): boolean {
  if (text.length !== end - start) return false
  for (let at = 0; at < text.length; at += 1) if (bytes[start + at] !== text.charCodeAt(at)) return false
  return true
}
