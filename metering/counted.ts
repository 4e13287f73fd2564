import { grouped } from './grouped.ts'

/** "1,500 rows", "1 row"; the plural only where it is not the noun with an s. */
export function counted(count: number | string, noun: string, plural = `${noun}s`): string {
  return `${grouped(count)} ${String(count) === '1' ? noun : plural}`
}
