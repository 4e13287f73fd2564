import { Command } from 'commander'
import packageJson from '../package.json' with { type: 'json' }
import type { AuditOptions } from './audit.ts'
import { EXIT, type OutputOptions, printError } from './output.ts'

/**
 * Every verb there is. `start` and `migrate` work on the store; all others speak HTTP to the running service. Each is loaded
 * when it is called: a question to a running service need not load the service.
 */
const program = new Command('meterline')
  .description('Usage metering and billing analytics: every event counted once, every number provable.')
  .version(packageJson.version)
  .option('--json', 'print one JSON document instead of text')
  .showHelpAfterError()
  .addHelpText(
    'after',
    `\nExit codes: ${Object.entries(EXIT)
      .map(([name, code]) => `${code} ${name}`)
      .join(', ')}`,
  )

program
  .command('start')
  .description('run the whole service in this process (configuration: environment, see .env.example)')
  .action(() => run(async () => (await import('./start.ts')).start(process.env)))

program
  .command('ingest')
  .description('count what Kafka brings; any number of these run beside each other (needs KAFKA_BROKERS and CLICKHOUSE_URL)')
  .action(() => run(async () => (await import('./start.ts')).start(process.env, 'ingest')))

program
  .command('api')
  .description('serve the API; any number of these run beside each other (needs KAFKA_BROKERS and CLICKHOUSE_URL)')
  .action(() => run(async () => (await import('./start.ts')).start(process.env, 'api')))

program
  .command('migrate')
  .description('bring the database to the shape this version needs')
  .action(() => run(async (options) => (await import('./migrate.ts')).migrateStore(process.env, options)))

program
  .command('audit')
  .description('recount raw events and compare them with the rollup: 0 or the list')
  .option('--from <day>', 'first day, YYYY-MM-DD')
  .option('--to <day>', 'last day, YYYY-MM-DD')
  .option('--project <id>', 'one project only')
  .action((own: AuditOptions) => run(async (options) => (await import('./audit.ts')).audit(process.env, { ...own, ...options })))

async function run(verb: (options: OutputOptions) => Promise<void>): Promise<void> {
  const options = program.opts<OutputOptions>()
  try {
    await verb(options)
  } catch (error) {
    printError(options, error)
  }
}

await program.parseAsync()
