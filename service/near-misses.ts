/** A variable of the environment that is none of ours, and the one that was probably meant. */
export interface NearMiss {
  readonly given: string
  readonly meant: string
}

/** Shorter names are too often a variable of another program: HOME is one character from HOST. */
const CHARACTERS_MIN = 8
const EDITS_MAX = 2

/** Variables whose names are known ones but for a typing error. A wrong name is ignored, so its limit or key would not apply. */
export function findNearMisses(given: readonly string[], known: readonly string[]): NearMiss[] {
  return given.flatMap((name) => {
    if (name.length < CHARACTERS_MIN || known.includes(name)) return []
    const meant = known.find((other) => other.length >= CHARACTERS_MIN && isWithin(EDITS_MAX, name, other))
    return meant === undefined ? [] : [{ given: name, meant }]
  })
}

/** Levenshtein distance. */
function isWithin(editsMax: number, one: string, other: string): boolean {
  if (Math.abs(one.length - other.length) > editsMax) return false
  let row = Array.from({ length: other.length + 1 }, (_, index) => index)
  for (const [index, character] of [...one].entries()) {
    const next = [index + 1]
    for (const [column, expected] of [...other].entries())
      next.push(Math.min((next[column] ?? 0) + 1, (row[column + 1] ?? 0) + 1, (row[column] ?? 0) + (character === expected ? 0 : 1)))
    row = next
  }
  return (row.at(-1) ?? 0) <= editsMax
}
