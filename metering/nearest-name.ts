/** Longer texts are no mistyped name. */
const CHARACTERS_MAX = 64
/** So many single changes for every three characters, and at least one, make a mistyped name. */
const CHARACTERS_PER_CHANGE = 3

/** The name that was probably meant: the one that begins with the text, or the fewest changes away, if that is few. Upper case does not matter. */
export function nearestName<T extends string>(text: string, names: readonly T[]): T | undefined {
  if (text === '' || text.length > CHARACTERS_MAX) return undefined
  const given = text.toLowerCase()
  const begun = names.filter((name) => name.startsWith(given))
  if (begun.length === 1) return begun[0]
  const changesMax = Math.max(1, Math.floor(given.length / CHARACTERS_PER_CHANGE))
  const near = names.map((name) => ({ name, changes: changesBetween(given, name) })).toSorted((one, other) => one.changes - other.changes)
  const [first] = near
  return first !== undefined && first.changes <= changesMax ? first.name : undefined
}

/** How many characters must be added, removed, replaced, or exchanged with the next one (the optimal string alignment distance). */
function changesBetween(from: string, to: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let row = 1; row <= from.length; row += 1) {
    const now = [row]
    for (let column = 1; column <= to.length; column += 1) {
      const isSame = from[row - 1] === to[column - 1]
      const isExchanged = row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]
      const changes = [(last[column] ?? 0) + 1, (now[column - 1] ?? 0) + 1, (last[column - 1] ?? 0) + (isSame ? 0 : 1)]
      now.push(Math.min(...changes, ...(isExchanged ? [(beforeLast[column - 2] ?? 0) + 1] : [])))
    }
    beforeLast = last
    last = now
  }
  return last[to.length] ?? 0
}

/** ' Did you mean "ai_tokens"?', or nothing. */
export function didYouMean(text: unknown, names: readonly string[]): string {
  const name = typeof text === 'string' ? nearestName(text, names) : undefined
  return name === undefined ? '' : ` Did you mean "${name}"?`
}
