import { Command } from 'commander'
import packageJson from '../package.json' with { type: 'json' }
import type { AuditOptions } from './commands/audit.ts'
import type { AuditLogOptions, VerifyAuditLogOptions } from './commands/audit-log.ts'
import type { CloseOptions } from './commands/close.ts'
import type { ExplainOptions } from './commands/explain.ts'
import type { ExportOptions } from './commands/export.ts'
import type { RotateOptions } from './commands/keys.ts'
import type { ReplayOptions } from './commands/log.ts'
import type { RebuildOptions } from './commands/rebuild.ts'
import type { RejectedOptions } from './commands/rejected.ts'
import type { StatementsOptions } from './commands/statements.ts'
import type { TokenOptions } from './commands/token.ts'
import type { VerifyOptions } from './commands/verify.ts'
import { EXIT, type OutputOptions, printError } from './output.ts'

/**
 * Every verb there is. `start`, `ingest`, `aggregate`, `api` and `migrate` work on the store; all others speak HTTP to the running service. Each is loaded
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
  .action(() => run(async () => (await import('../service/run.ts')).start(process.env)))

program
  .command('ingest')
  .description('count what Kafka brings; any number of these run beside each other (needs KAFKA_BROKERS and CLICKHOUSE_URL)')
  .action(() => run(async () => (await import('../service/run.ts')).start(process.env, 'ingest')))

program
  .command('aggregate')
  .description('keep totals fresh, audit finished days, close months; any number of these run beside each other (needs CLICKHOUSE_URL)')
  .action(() => run(async () => (await import('../service/run.ts')).start(process.env, 'aggregate')))

program
  .command('api')
  .description('serve the API; any number of these run beside each other (needs KAFKA_BROKERS and CLICKHOUSE_URL)')
  .action(() => run(async () => (await import('../service/run.ts')).start(process.env, 'api')))

program
  .command('migrate')
  .description('bring the database to the shape this version needs')
  .action(() => run(async (options) => (await import('./commands/migrate.ts')).migrateStore(process.env, options)))

program
  .command('audit')
  .description('recount raw events and compare them with the rollup: 0 or the list')
  .option('--from <day>', 'first day, YYYY-MM-DD')
  .option('--to <day>', 'last day, YYYY-MM-DD')
  .option('--project <id>', 'one project only')
  .option('--log', 'read the Kafka topic again too, and compare it with raw')
  .action((own: AuditOptions) => run(async (options) => (await import('./commands/audit.ts')).audit(process.env, { ...own, ...options })))

program
  .command('rebuild')
  .description('count the rollup of a month anew from raw, whatever it holds; events wait meanwhile')
  .requiredOption('--month <month>', 'YYYY-MM')
  .option('--offline', 'in this process, while none that counts events runs (configuration: environment)')
  .action((own: RebuildOptions) => run(async (options) => (await import('./commands/rebuild.ts')).rebuild(process.env, { ...own, ...options })))

program
  .command('explain')
  .description('how a number came to be: its rule, its events, the largest contributors, what arrived late')
  .requiredOption('--metric <name>', 'as events name it, or as the summary does')
  .option('--partner <id>', 'a number of this partnership')
  .option('--project <id>', 'a number of this project')
  .option('--month <month>', 'YYYY-MM')
  .option('--from <day>', 'first day, YYYY-MM-DD')
  .option('--to <day>', 'last day, YYYY-MM-DD')
  .action((own: ExplainOptions) => run(async (options) => (await import('./commands/explain.ts')).explain(process.env, { ...own, ...options })))

program
  .command('close')
  .description('close a month: from then on its statement never changes; of one partner, or of all')
  .requiredOption('--month <month>', 'YYYY-MM')
  .option('--partner <id>', 'one partner only')
  .action((own: CloseOptions) => run(async (options) => (await import('./commands/close.ts')).close(process.env, { ...own, ...options })))

program
  .command('statements')
  .description('what a partner is billed: all months, or one')
  .requiredOption('--partner <id>', 'whose')
  .option('--month <month>', 'YYYY-MM')
  .action((own: StatementsOptions) => run(async (options) => (await import('./commands/statements.ts')).statements(process.env, { ...own, ...options })))

program
  .command('export')
  .description('write statements or usage to a file, and its manifest beside it')
  .option('--month <month>', 'the statements of a month, YYYY-MM')
  .option('--from <day>', 'usage as metered by now: first day, YYYY-MM-DD')
  .option('--to <day>', 'last day, inclusive')
  .option('--partner <id>', 'one partner only')
  .option('--format <format>', 'csv, json, ndjson, parquet, focus-csv, focus-parquet or focus-billing-period', 'csv')
  .option('--out <file>', 'default: as the service names it, here')
  .action((own: ExportOptions) => run(async (options) => (await import('./commands/export.ts')).exportFile(process.env, { ...own, ...options })))

program
  .command('verify <file>')
  .description('add an exported file up again; compare it with its manifest and with the service')
  .option('--offline', 'compare with the manifest alone')
  .action((file: string, own: VerifyOptions) =>
    run(async (options) => (await import('./commands/verify.ts')).verify(process.env, file, { ...own, ...options })),
  )

const log = program.command('log').description('the logs behind the numbers: one for each partition of the Kafka topic')
log
  .command('list')
  .description('what each log holds, how far it is settled, whose it is')
  .action(() => run(async (options) => (await import('./commands/log.ts')).listLogs(process.env, options)))
log
  .command('reset <log>')
  .description('go on after an incident, reading this log ("all": every log) from the earliest event that still exists')
  .action((name: string) => run(async (options) => (await import('./commands/log.ts')).resetLog(process.env, name, options)))
log
  .command('repartition')
  .description('go on after the topic got more partitions')
  .action(() => run(async (options) => (await import('./commands/log.ts')).repartitionLogs(process.env, options)))

program
  .command('replay')
  .description('read the Kafka topic again; counts nothing twice')
  .requiredOption('--from <time|offset>', 'an RFC 3339 date-time, or an offset')
  .option('--log <log>', 'one log only, as "meterline log list" names it')
  .action((own: ReplayOptions) => run(async (options) => (await import('./commands/log.ts')).replay(process.env, { ...own, ...options })))

const auditLog = program.command('audit-log').description('who changed what, and who read a secret: a chain of entries')
auditLog
  .command('list')
  .description('the latest entries')
  .option('--limit <n>', 'at most so many, up to 100')
  .action((own: AuditLogOptions) => run(async (options) => (await import('./commands/audit-log.ts')).listAuditLog(process.env, { ...own, ...options })))
auditLog
  .command('verify')
  .description('follow the chain from its first entry: whole, or where it is broken')
  .option('--head <end>', 'an end that this verb printed before: tells whether entries were cut off since')
  .action((own: VerifyAuditLogOptions) => run(async (options) => (await import('./commands/audit-log.ts')).verifyAuditLog(process.env, { ...own, ...options })))

const keys = program.command('keys').description('the keys of the service itself')
keys
  .command('list')
  .description('the keys that tokens are signed with, and where each stands')
  .action(() => run(async (options) => (await import('./commands/keys.ts')).listKeys(process.env, options)))
keys
  .command('rotate')
  .description('make a new key that tokens are signed with; it is published now and signs ten minutes later')
  .option('--withdraw', 'for keys that are known to others: the new one signs now, and every token of all others ends')
  .action((own: RotateOptions) => run(async (options) => (await import('./commands/keys.ts')).rotateKeys(process.env, { ...own, ...options })))
keys
  .command('rewrap')
  .description('seal with MASTER_KEY what MASTER_KEY_PREVIOUS sealed, when all processes have both (docs/operating/keys.md)')
  .action(() => run(async (options) => (await import('./commands/rewrap-keys.ts')).rewrapKeys(process.env, options)))

program
  .command('token')
  .description('make an admin token that ends by itself, for people and programs that may do a part of it all; prints it')
  .requiredOption('--role <role>', 'operator, finance or emitter-manager')
  .option('--expires-in <seconds>', '60 to 43200; default 3600')
  .action((own: TokenOptions) => run(async (options) => (await import('./commands/token.ts')).printToken(process.env, { ...own, ...options })))

const rejected = program.command('rejected').description('events that were refused, kept with their reason')
rejected
  .command('list')
  .description('the latest refusals')
  .option('--limit <n>', 'at most so many; default 100')
  .action((own: RejectedOptions) => run(async (options) => (await import('./commands/rejected.ts')).listRejected(process.env, { ...own, ...options })))
rejected
  .command('resend <id...>')
  .description('send refusals through again after a fix, as new records received now')
  .action((ids: string[]) => run(async (options) => (await import('./commands/rejected.ts')).resendRejected(process.env, ids, options)))

async function run(verb: (options: OutputOptions) => Promise<void>): Promise<void> {
  const options = program.opts<OutputOptions>()
  try {
    await verb(options)
  } catch (error) {
    printError(options, error)
  }
}

await program.parseAsync()
