/** Escapes one field of a TabSeparated row. A bare tab, line end or backslash would end the field or the row, or change the text. */
export function escapeField(text: string): string {
  return SPECIAL.test(text) ? text.replace(SPECIALS, (character) => ESCAPES[character] ?? character) : text
}

/** Writes one row with escaped fields. Only null becomes NULL; the text \N stays a text. */
export function row(fields: readonly (string | number | null)[]): string {
  return `${fields.map((field) => (field === null ? NULL_FIELD : escapeField(String(field)))).join('\t')}\n`
}

/**
 * Collects rows as UTF-8 bytes and encodes them in chunks. One string of all rows would be concatenated, flattened and copied as
 * a whole, which takes three times as long.
 */
export class RowsBuffer {
  #bytes = Buffer.allocUnsafe(FIRST_BYTES)
  #length = 0
  #chunk = ''

  add(text: string): void {
    this.#chunk += text
    if (this.#chunk.length >= CHUNK_CHARACTERS) this.#encode()
  }

  toBuffer(): Buffer {
    this.#encode()
    return this.#bytes.subarray(0, this.#length)
  }

  #encode(): void {
    const needed = this.#length + this.#chunk.length * UTF8_BYTES_PER_CHARACTER_MAX
    if (needed > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2))
      this.#bytes.copy(grown, 0, 0, this.#length)
      this.#bytes = grown
    }
    this.#length += this.#bytes.write(this.#chunk, this.#length, 'utf8')
    this.#chunk = ''
  }
}

const FIRST_BYTES = 64 * 1024
const CHUNK_CHARACTERS = 16 * 1024
const UTF8_BYTES_PER_CHARACTER_MAX = 3

const NULL_FIELD = '\\N'

const SPECIAL = /[\\\t\n\r\0\b\f]/
const SPECIALS = /[\\\t\n\r\0\b\f]/g
const ESCAPES: Record<string, string> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r', '\0': '\\0', '\b': '\\b', '\f': '\\f' }

/** The fields of a line that ClickHouse wrote, without its line feed. */
export function fieldsOf(line: string): (string | null)[] {
  return line.split('\t').map((field) => (field === NULL_FIELD ? null : unescapeField(field)))
}

function unescapeField(field: string): string {
  return field.includes('\\') ? field.replaceAll(/\\(.)/g, (_, escaped: string) => UNESCAPES[escaped] ?? escaped) : field
}

const UNESCAPES: Record<string, string> = { t: '\t', n: '\n', r: '\r', 0: '\0', b: '\b', f: '\f' }
