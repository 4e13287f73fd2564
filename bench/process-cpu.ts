import { readFileSync } from 'node:fs'

/** Linux counts in these, whatever the clock of the kernel is. */
export const TICKS_PER_SECOND = 100

/**
 * What Linux knows of a process, from its state on, which is the third field of its line: behind the name of the program, which may contain
 * spaces and parentheses. Throws where there is no /proc, as on macOS, and for a process that has ended.
 */
export function statOf(pid: number | string): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

/** The CPU time that a process has used so far, in user and in system mode. Throws as above. */
export function processCpuSeconds(pid: number): number {
  const fields = statOf(pid)
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}
