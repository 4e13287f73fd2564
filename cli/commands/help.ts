import type { Command, Option } from 'commander'
import { type CommandRegistration, examplesOf, withExamples } from '../command.ts'
import { ENVIRONMENT } from '../environment.ts'
import { EXIT, usageError } from '../errors.ts'

export const helpCommand: CommandRegistration = (program, run) => {
  withExamples(
    program
      .command('help [command...]')
      .description('describe a command; with --json: all commands, options, exit codes and variables')
      .action((path: string[]) =>
        run(async ({ json }) => {
          const wanted = commandAt(program, path)
          if (json === true) process.stdout.write(`${JSON.stringify(describe(program, path.join(' ')), null, 2)}\n`)
          else wanted.outputHelp()
        }),
      ),
    ['meterline help export', 'options and examples of a command'],
    ['meterline help --json', 'everything, for an agent'],
  )
}

/** Everything that an agent needs to use the program. */
export interface ProgramDescription {
  readonly name: string
  readonly version: string
  readonly description: string
  readonly options: readonly OptionDescription[]
  readonly commands: readonly CommandDescription[]
  readonly exit_codes: Readonly<Record<string, number>>
  readonly environment: readonly { readonly name: string; readonly description: string }[]
}

interface CommandDescription {
  /** Without the name of the program, for example "log source use". */
  readonly command: string
  readonly description: string
  readonly arguments: readonly { readonly name: string; readonly required: boolean; readonly repeatable: boolean }[]
  readonly options: readonly OptionDescription[]
  readonly examples: readonly { readonly call: string; readonly does: string }[]
}

interface OptionDescription {
  readonly flags: string
  readonly description: string
  readonly required: boolean
  readonly choices: readonly string[] | null
}

/** Describes all commands, or those below `only`, such as "log source". */
export function describe(program: Command, only = ''): ProgramDescription {
  return {
    name: program.name(),
    version: program.version() ?? '',
    description: program.description(),
    options: program.options.map(describeOption),
    commands: leavesOf(program)
      .filter(({ path }) => only === '' || `${path.join(' ')} `.startsWith(`${only} `))
      .map(({ path, command }) => ({
        command: path.join(' '),
        description: command.description(),
        arguments: command.registeredArguments.map((each) => ({ name: each.name(), required: each.required, repeatable: each.variadic })),
        options: command.options.filter(({ hidden }) => !hidden).map(describeOption),
        examples: examplesOf(command).map(([call, does]) => ({ call, does })),
      })),
    exit_codes: Object.fromEntries(Object.entries(EXIT)),
    environment: Object.entries(ENVIRONMENT).map(([name, description]) => ({ name, description })),
  }
}

function describeOption({ flags, description, mandatory, argChoices }: Option): OptionDescription {
  return { flags, description, required: mandatory, choices: argChoices ?? null }
}

export interface Leaf {
  readonly path: readonly string[]
  readonly command: Command
}

/** The commands that do something, in the order of the help. */
export function leavesOf(command: Command, path: readonly string[] = []): Leaf[] {
  return command.commands.flatMap((each) => {
    const at = [...path, each.name()]
    return each.commands.length === 0 ? [{ path: at, command: each }] : leavesOf(each, at)
  })
}

function commandAt(program: Command, path: readonly string[]): Command {
  return path.reduce((above, name) => {
    const found = above.commands.find((each) => each.name() === name)
    if (found === undefined) throw usageError(`There is no command "${path.join(' ')}".`, 'List them with "meterline help".')
    return found
  }, program)
}
