import { Command } from 'commander'
import packageJson from '../package.json' with { type: 'json' }
import type { CommandRegistration } from './command.ts'
import { EXIT } from './errors.ts'
import { withOptionNames } from './name-options.ts'
import { printError } from './output.ts'
import type { Session } from './session.ts'

/** Every command there is, by the headings of the help. A command is loaded when it is needed: loading all of them takes longer than most take to run. */
const COMMANDS: Readonly<Record<string, Readonly<Record<string, () => Promise<CommandRegistration>>>>> = {
  'Run the service': {
    start: async () => (await import('./commands/start.ts')).startCommand,
    ingest: async () => (await import('./commands/start.ts')).ingestCommand,
    aggregate: async () => (await import('./commands/start.ts')).aggregateCommand,
    api: async () => (await import('./commands/api.ts')).apiCommand,
    migrate: async () => (await import('./commands/migrate.ts')).migrateCommand,
  },
  'Credentials and projects': {
    login: async () => (await import('./commands/login.ts')).loginCommand,
    logout: async () => (await import('./commands/login.ts')).logoutCommand,
    whoami: async () => (await import('./commands/whoami.ts')).whoamiCommand,
    current: async () => (await import('./commands/whoami.ts')).currentCommand,
    link: async () => (await import('./commands/link.ts')).linkCommand,
    create: async () => (await import('./commands/create.ts')).createCommand,
    list: async () => (await import('./commands/list.ts')).listCommand,
    metadata: async () => (await import('./commands/project.ts')).metadataCommand,
    pause: async () => (await import('./commands/project.ts')).pauseCommand,
    restore: async () => (await import('./commands/project.ts')).restoreCommand,
    delete: async () => (await import('./commands/project.ts')).deleteCommand,
    wait: async () => (await import('./commands/project.ts')).waitCommand,
  },
  'Usage and bills': {
    emit: async () => (await import('./commands/emit.ts')).emitCommand,
    collect: async () => (await import('./commands/collect.ts')).collectCommand,
    import: async () => (await import('./commands/import.ts')).importCommand,
    usage: async () => (await import('./commands/usage.ts')).usageCommand,
    explain: async () => (await import('./commands/explain.ts')).explainCommand,
    corrections: async () => (await import('./commands/corrections.ts')).correctionsCommand,
    statements: async () => (await import('./commands/statements.ts')).statementsCommand,
    close: async () => (await import('./commands/close.ts')).closeCommand,
    deliveries: async () => (await import('./commands/deliveries.ts')).deliveriesCommand,
    export: async () => (await import('./commands/export.ts')).exportCommand,
    verify: async () => (await import('./commands/verify.ts')).verifyCommand,
  },
  Operation: {
    audit: async () => (await import('./commands/audit.ts')).auditCommand,
    rebuild: async () => (await import('./commands/rebuild.ts')).rebuildCommand,
    shard: async () => (await import('./commands/shard.ts')).shardCommand,
    diagnose: async () => (await import('./commands/diagnose.ts')).diagnoseCommand,
    logs: async () => (await import('./commands/logs.ts')).logsCommand,
    log: async () => (await import('./commands/log.ts')).logCommand,
    replay: async () => (await import('./commands/replay.ts')).replayCommand,
    rejected: async () => (await import('./commands/rejected.ts')).rejectedCommand,
    thresholds: async () => (await import('./commands/thresholds.ts')).thresholdsCommand,
    spikes: async () => (await import('./commands/spikes.ts')).spikesCommand,
    webhooks: async () => (await import('./commands/webhooks.ts')).webhooksCommand,
    unregistered: async () => (await import('./commands/unregistered.ts')).unregisteredCommand,
    'audit-log': async () => (await import('./commands/audit-log.ts')).auditLogCommand,
    keys: async () => (await import('./commands/keys.ts')).keysCommand,
    token: async () => (await import('./commands/token.ts')).tokenCommand,
  },
  Administration: {
    partners: async () => (await import('./commands/administration/partners.ts')).partnersCommand,
    projects: async () => (await import('./commands/administration/projects.ts')).projectsCommand,
    accounts: async () => (await import('./commands/administration/accounts.ts')).accountsCommand,
    metrics: async () => (await import('./commands/administration/metrics.ts')).metricsCommand,
    'ingest-keys': async () => (await import('./commands/administration/ingest-keys.ts')).ingestKeysCommand,
    secrets: async () => (await import('./commands/administration/secrets.ts')).secretsCommand,
    schedules: async () => (await import('./commands/administration/schedules.ts')).schedulesCommand,
    config: async () => (await import('./commands/administration/config.ts')).configCommand,
  },
  'This program': {
    docs: async () => (await import('./commands/docs.ts')).docsCommand,
    mcp: async () => (await import('./commands/mcp.ts')).mcpCommand,
    completion: async () => (await import('./commands/completion.ts')).completionCommand,
    help: async () => (await import('./commands/help.ts')).helpCommand,
  },
}

/** The version is the same for all commands, so none is loaded for it. */
const NEEDS_NO_COMMAND = ['-V', '--version']
/** Commands that describe all others. */
const DESCRIBE_ALL = ['help', 'completion']

/** The command line with the command that `args` name, or with all of them. Commands read their settings from `environment`. */
export async function buildProgram(environment: NodeJS.ProcessEnv, args: readonly string[] = []): Promise<Command> {
  const program = new Command('meterline')
    .description('Usage metering and billing analytics: every event counted once, every number provable.')
    .version(packageJson.version)
    .option('--json', 'print for programs: the JSON of the answer on stdout, errors as JSON on stderr, no question')
    .option('-y, --yes', 'answer every confirmation with yes')
    .option('--url <url>', 'where the service is reached; default: METERLINE_URL')
    .option('--profile <name>', 'use the credentials that "meterline login --profile <name>" stored')
    .helpCommand(false)
    .showHelpAfterError('(add --help for the options and examples)')
    .exitOverride()
    .addHelpText('after', `\nExit codes: ${exitCodes()}. "meterline help --json" describes everything for programs.`)
  // Errors of the call are printed like all others, as JSON where that is requested.
  program.configureOutput({ writeErr: (text) => (args.includes('--json') ? undefined : process.stderr.write(text)) })
  let called: Command | undefined
  program.hook('preAction', (_, command) => {
    called = command
  })
  for (const { heading, load } of named(args)) {
    program.commandsGroup(`${heading}:`)
    const register = await load()
    register(program, async (command) => {
      const session: Session = { ...program.opts<Omit<Session, 'environment'>>(), environment }
      try {
        await command(session)
      } catch (error) {
        printError(session, withOptionNames(error, called))
      }
    })
  }
  return program
}

function named(args: readonly string[]): { heading: string; load: () => Promise<CommandRegistration> }[] {
  if (NEEDS_NO_COMMAND.includes(args[0] ?? '')) return []
  const all = Object.entries(COMMANDS).flatMap(([heading, commands]) => Object.entries(commands).map(([name, load]) => ({ name, heading, load })))
  const one = all.filter(({ name }) => name === args.find((arg) => all.some((each) => each.name === arg)))
  return one.length === 0 || one.some(({ name }) => DESCRIBE_ALL.includes(name)) ? all : one
}

function exitCodes(): string {
  return Object.entries(EXIT)
    .map(([name, code]) => `${code} ${name}`)
    .join(', ')
}
