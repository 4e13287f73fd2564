import { CommanderError } from 'commander'
import { buildProgram } from '../../../cli/program.ts'
import type { FinishedProcess } from '../engines/service-process.ts'

/** Runs a command in this process, which is much faster than a process of its own. One at a time: it captures what this process prints. */
export async function runProgram(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<FinishedProcess> {
  const [out, error] = [process.stdout.write, process.stderr.write]
  let [stdout, stderr] = ['', '']
  process.stdout.write = (chunk: string | Uint8Array) => {
    stdout += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8')
    return true
  }
  process.stderr.write = (chunk: string | Uint8Array) => {
    stderr += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8')
    return true
  }
  let code: number | null = 0
  try {
    const program = await buildProgram(environment, args)
    await program.parseAsync(args, { from: 'user' })
    code = Number(process.exitCode ?? 0)
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown
    code = thrown.exitCode
  } finally {
    process.exitCode = undefined
    process.stdout.write = out
    process.stderr.write = error
  }
  return { code, stdout, stderr }
}
