import type { Command } from 'commander'
import type { OutputOptions } from './output.ts'

/** Adds a command, with its options and its help, to the program. */
export type CommandRegistration = (program: Command, run: RunCommand) => void

/** Runs the work of a command; an error is printed and becomes the exit code of the process. */
export type RunCommand = (work: (environment: NodeJS.ProcessEnv, options: OutputOptions) => Promise<void>) => Promise<void>
