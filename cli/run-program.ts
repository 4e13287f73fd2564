import { CommanderError } from 'commander'
import { usageError } from './errors.ts'
import { printError } from './output.ts'
import { buildProgram } from './program.ts'

/** Runs the command that `args` name, without the path of the program. Its result is on stdout, in the exit code, or an error on stderr. */
export async function runProgram(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<void> {
  const program = await buildProgram(environment, args)
  try {
    await program.parseAsync(args, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    process.exitCode = error.exitCode
    // Commander has printed it for people.
    if (error.exitCode !== 0 && args.includes('--json')) printError({ json: true }, usageError(error.message.replace(/^error: /, '').replaceAll('\n', ' ')))
  }
}
