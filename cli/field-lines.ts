/** One object for people: a line for each field, with the values below each other. */
export function fieldLines(fields: Readonly<Record<string, string | null>>): string[] {
  const width = Math.max(...Object.keys(fields).map((name) => name.length))
  return Object.entries(fields).map(([name, value]) => `${name.padEnd(width)}  ${value ?? 'none'}`)
}
