import { readFileSync } from 'node:fs'

/** Linux counts in these, whatever the clock of the kernel is. */
const TICKS_PER_SECOND = 100

/** The CPU time that a process has used so far, in user and in system mode. Throws where there is no /proc, as on macOS. */
export function processCpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // Behind the name of the program, which may contain spaces and parentheses; the first field there is the third one of the line.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}
