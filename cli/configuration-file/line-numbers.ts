/**
 * Finds the line of a value of a TOML file, by its path: the parser reports lines only for what it cannot parse. It reads headers and
 * keys at the beginnings of lines, which is how the file is written here; for what stands in an inline table, it finds the line of the table.
 */
export class LineNumbers {
  readonly #lines = new Map<string, number>()

  constructor(text: string) {
    let table: readonly PropertyKey[] = []
    const sizes = new Map<string, number>()
    for (const [index, line] of text.split('\n').entries()) {
      const header = /^\s*(\[\[?)\s*([\w.-]+)\s*\]/.exec(line)
      const key = /^\s*(["']?)([\w-]+)\1\s*=/.exec(line)
      if (header !== null) {
        const [, bracket, name = ''] = header
        table = placeOf(name.split('.'), sizes, bracket === '[[')
        this.#lines.set(JSON.stringify(table), index + 1)
      } else if (key !== null) this.#lines.set(JSON.stringify([...table, key[2]]), index + 1)
    }
  }

  /** From 1 on; of the nearest table around it, if the value itself is not found. Undefined if there is none. */
  of(path: readonly PropertyKey[]): number | undefined {
    for (let length = path.length; length > 0; length -= 1) {
      const line = this.#lines.get(JSON.stringify(path.slice(0, length)))
      if (line !== undefined) return line
    }
    return undefined
  }
}

/** The path of a header: with the index of each array of tables in it. `sizes` has the number of tables of each array so far. */
function placeOf(names: readonly string[], sizes: Map<string, number>, isNewElement: boolean): PropertyKey[] {
  const place: PropertyKey[] = []
  for (const [depth, name] of names.entries()) {
    place.push(name)
    const array = JSON.stringify(place)
    const isLast = depth === names.length - 1
    if (isLast && isNewElement) sizes.set(array, (sizes.get(array) ?? 0) + 1)
    const size = sizes.get(array)
    if (size !== undefined) place.push(size - 1)
  }
  return place
}
