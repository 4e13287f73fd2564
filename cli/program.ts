import { Command } from 'commander'
import packageJson from '../package.json' with { type: 'json' }
import type { CommandRegistration } from './command.ts'
import { EXIT, type OutputOptions, printError } from './output.ts'

/** Every command there is, in the order of the help. A command is loaded when it is needed: loading all of them takes longer than most take to run. */
const COMMANDS: Readonly<Record<string, () => Promise<CommandRegistration>>> = {
  start: async () => (await import('./commands/start.ts')).startCommand,
  ingest: async () => (await import('./commands/start.ts')).ingestCommand,
  aggregate: async () => (await import('./commands/start.ts')).aggregateCommand,
  api: async () => (await import('./commands/start.ts')).apiCommand,
  migrate: async () => (await import('./commands/migrate.ts')).migrateCommand,
  audit: async () => (await import('./commands/audit.ts')).auditCommand,
  rebuild: async () => (await import('./commands/rebuild.ts')).rebuildCommand,
  explain: async () => (await import('./commands/explain.ts')).explainCommand,
  close: async () => (await import('./commands/close.ts')).closeCommand,
  statements: async () => (await import('./commands/statements.ts')).statementsCommand,
  export: async () => (await import('./commands/export.ts')).exportCommand,
  verify: async () => (await import('./commands/verify.ts')).verifyCommand,
  log: async () => (await import('./commands/log.ts')).logCommand,
  replay: async () => (await import('./commands/replay.ts')).replayCommand,
  'audit-log': async () => (await import('./commands/audit-log.ts')).auditLogCommand,
  keys: async () => (await import('./commands/keys.ts')).keysCommand,
  token: async () => (await import('./commands/token.ts')).tokenCommand,
  unregistered: async () => (await import('./commands/unregistered.ts')).unregisteredCommand,
  rejected: async () => (await import('./commands/rejected.ts')).rejectedCommand,
}

/** The command line with the command that `args` name, or with all of them. Commands read their settings from `environment`. */
export async function buildProgram(environment: NodeJS.ProcessEnv, args: readonly string[] = []): Promise<Command> {
  const program = new Command('meterline')
    .description('Usage metering and billing analytics: every event counted once, every number provable.')
    .version(packageJson.version)
    .option('--json', 'print one JSON document instead of text')
    .showHelpAfterError()
    .addHelpText('after', `\nExit codes: ${exitCodes()}`)
  const named = args.find((arg) => !arg.startsWith('-'))
  const load = named === undefined ? undefined : COMMANDS[named]
  for (const register of await Promise.all((load === undefined ? Object.values(COMMANDS) : [load]).map((each) => each()))) {
    register(program, async (command) => {
      const options = program.opts<OutputOptions>()
      try {
        await command(environment, options)
      } catch (error) {
        printError(options, error)
      }
    })
  }
  return program
}

function exitCodes(): string {
  return Object.entries(EXIT)
    .map(([name, code]) => `${code} ${name}`)
    .join(', ')
}
