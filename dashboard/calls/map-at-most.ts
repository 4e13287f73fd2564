/** Maps with at most `atOnce` calls at a time, and keeps the order. The first rejection rejects all; no further call is begun then. */
export async function mapAtMost<T, R>(atOnce: number, items: readonly T[], use: (item: T) => Promise<R>): Promise<R[]> {
  const results = new Map<number, R>()
  let next = 0
  let hasFailed = false
  const work = async () => {
    while (next < items.length && !hasFailed) {
      const index = next
      next += 1
      results.set(index, await use(items[index] as T))
    }
  }
  const workers = Array.from({ length: Math.min(atOnce, items.length) }, () =>
    work().catch((error: unknown) => {
      hasFailed = true
      throw error
    }),
  )
  await Promise.all(workers)
  return items.map((_, index) => results.get(index) as R)
}
