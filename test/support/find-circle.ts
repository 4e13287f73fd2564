/** The first import cycle as its list of files; empty if there is none. */
export function findCircle(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>()
  const visit = (path: string, way: readonly string[]): string[] => {
    if (way.includes(path)) return [...way.slice(way.indexOf(path)), path]
    if (done.has(path)) return []
    done.add(path)
    for (const next of graph.get(path) ?? []) {
      const circle = visit(next, [...way, path])
      if (circle.length > 0) return circle
    }
    return []
  }
  for (const path of graph.keys()) {
    const circle = visit(path, [])
    if (circle.length > 0) return circle
  }
  return []
}
