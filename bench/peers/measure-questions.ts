import { readFileSync, writeFileSync } from 'node:fs'
import { median } from '../statistics.ts'
import { type Answer, QUESTIONS, type Question } from './exact-answers.ts'

export interface Asked {
  readonly ms: number
  readonly answer: [string, Record<string, string>][]
  /** Undefined where it is not known. */
  readonly bytesRead: number | undefined
  readonly memoryBytes: number | undefined
}

export type AskedQuestions = Readonly<Record<Question, Asked>>

export interface Asker {
  ask(question: Question): Promise<Answer>
  /** Asks once more and returns how many bytes the statements have read. */
  bytesRead(question: Question): Promise<number | undefined>
  /** How much the memory of the process grows while it answers. */
  memoryBytes?(question: Question, ask: () => Promise<unknown>): Promise<number | undefined>
}

const RUNS_MAX = 9
const SECONDS_MAX = 15

/** Asks each question until it was answered nine times, or for 15 seconds. The time is the median; the first answer, which warms caches, counts only if it is the only one. */
export async function askQuestions(asker: Asker): Promise<AskedQuestions> {
  const asked: Partial<Record<Question, Asked>> = {}
  for (const question of QUESTIONS) {
    const startedMs = performance.now()
    const memoryBytes = await (asker.memoryBytes ?? growthWhile)(question, () => asker.ask(question))
    const times: number[] = [performance.now() - startedMs]
    let answer: Answer = new Map()
    while (times.length <= RUNS_MAX && performance.now() - startedMs < SECONDS_MAX * 1000) {
      const beganMs = performance.now()
      answer = await asker.ask(question)
      times.push(performance.now() - beganMs)
    }
    if (answer.size === 0) answer = await asker.ask(question)
    const counted = times.length > 1 ? times.slice(1) : times
    asked[question] = { ms: median(counted), answer: [...answer], bytesRead: await asker.bytesRead(question), memoryBytes }
  }
  return asked as AskedQuestions
}

/** The highest memory of this process during the work, less what it had before. Linux only. */
async function growthWhile(_: Question, work: () => Promise<unknown>): Promise<number | undefined> {
  const before = resetHighest()
  await work()
  const after = highestMemory('self')
  return before === undefined || after === undefined ? undefined : Math.max(0, after - before)
}

function resetHighest(): number | undefined {
  try {
    writeFileSync('/proc/self/clear_refs', '5')
    return highestMemory('self')
  } catch {
    return undefined
  }
}

/** The highest resident memory of a process since it was reset, in bytes. */
export function highestMemory(process: number | 'self'): number | undefined {
  try {
    const kibibytes = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${process}/status`, 'utf8'))?.[1]
    return kibibytes === undefined ? undefined : Number(kibibytes) * 1024
  } catch {
    return undefined
  }
}
