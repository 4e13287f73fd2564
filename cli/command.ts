import type { Command } from 'commander'
import type { Session } from './session.ts'

/** Adds a command, with its options and its help, to the program. */
export type CommandRegistration = (program: Command, run: RunCommand) => void

/** Runs the work of a command; an error is printed and becomes the exit code of the process. */
export type RunCommand = (work: (session: Session) => Promise<void>) => Promise<void>

/** A call, and in a few words what it does. */
export type CommandExample = readonly [call: string, does: string]

const EXAMPLES = new WeakMap<Command, readonly CommandExample[]>()

/** Wider lines would break in most terminals. */
const COLUMNS_MAX = 100

/** Adds calls that can be copied to the help of a command. Each begins with "meterline". */
export function withExamples(command: Command, ...examples: readonly CommandExample[]): Command {
  EXAMPLES.set(command, examples)
  const width = Math.max(...examples.map(([call]) => call.length))
  const inLine = examples.map(([call, does]) => `  ${call.padEnd(width)}  ${does}`)
  const lines = inLine.every(({ length }) => length <= COLUMNS_MAX) ? inLine : examples.flatMap(([call, does]) => [`  # ${does}`, `  ${call}`])
  return command.addHelpText('after', ['', 'Examples:', ...lines].join('\n'))
}

export function examplesOf(command: Command): readonly CommandExample[] {
  return EXAMPLES.get(command) ?? []
}
