import type { Command } from 'commander'
import { collectFolderSizes } from '../../emitter/collectors/folder-sizes.ts'
import { collectListingSizes } from '../../emitter/collectors/listing-sizes.ts'
import { collectPlatformStats } from '../../emitter/collectors/platform-stats.ts'
import { collectPostgresSizes, hasPassword } from '../../emitter/collectors/postgres-sizes.ts'
import { type AccessLogFlags, accessLogCollector } from '../collect/access-log-files.ts'
import type { CollectedPart, Round } from '../collect/collector.ts'
import { requireDuration } from '../collect/durations.ts'
import { type ProjectOptions, requireProjectOf } from '../collect/project-options.ts'
import { type RunOptions, runCollector } from '../collect/run-collector.ts'
import { requireSince } from '../collect/since.ts'
import { requireSources, type SourceOptions } from '../collect/stats-sources.ts'
import { type CommandRegistration, type RunCommand, withExamples } from '../command.ts'
import { usageError } from '../errors.ts'

export const collectCommand: CommandRegistration = (program, run) => {
  const collect = program.command('collect').description('read usage where it arises, and send it: once, for cron, or on an interval')
  addPostgres(collect, run)
  addFolder(collect, run)
  addListing(collect, run)
  addAccessLog(collect, run)
  addPlatform(collect, run)
}

interface SizeOptions extends RunOptions, ProjectOptions {
  readonly slot: string
}

/** Everything is the name of a project. */
const WHOLE_NAME = '^(?<project>.+)$'
const FIRST_PART = '^(?<project>[^/]+)/'

function addPostgres(collect: Command, run: RunCommand): void {
  const command = collect
    .command('postgres')
    .description('the sizes of the databases of a PostgreSQL server, read with psql; a password only from PGPASSWORD or ~/.pgpass')
    .option('--connection <string>', 'as for psql, without a password; default: the PG… variables')
  withExamples(
    withLevels(withProjects(command, 'the name of a database', 'all of it')).action((own: SizeOptions & { connection?: string }) =>
      run((session) => {
        const { connection } = own
        if (connection !== undefined && hasPassword(connection))
          throw usageError('--connection has a password, which every user of the machine could see.', 'Give it in PGPASSWORD or ~/.pgpass.')
        const [projectOf, slotMs] = [requireProjectOf(own, WHOLE_NAME), requireDuration(own.slot, '--slot')]
        const environment = withoutOwn(session.environment)
        const read = ({ nowMs }: Round) => collectPostgresSizes({ connection, environment, projectOf, slotMs, nowMs })
        return runCollector(session, { name: 'postgres', slotMs, collect: inOnePart(read) }, own)
      }),
    ),
    ['meterline collect postgres --connection postgresql://meter@db.example.com/postgres', 'every database is a project'],
    ["meterline collect postgres --project-pattern '^app_(?<project>.+)$' --every 1h", 'with a prefix; until it is stopped'],
  )
}

function addFolder(collect: Command, run: RunCommand): void {
  const command = collect.command('folder <folder>').description('the bytes of the files in each subfolder of a folder')
  withExamples(
    withLevels(withProjects(command, 'the name of a subfolder', 'all of it')).action((folder: string, own: SizeOptions) =>
      run((session) => {
        const [projectOf, slotMs] = [requireProjectOf(own, WHOLE_NAME), requireDuration(own.slot, '--slot')]
        const read = ({ nowMs }: Round) => collectFolderSizes({ folder, projectOf, slotMs, nowMs })
        return runCollector(session, { name: 'folder', slotMs, collect: inOnePart(read) }, own)
      }),
    ),
    ['meterline collect folder /srv/storage', 'every subfolder is a project'],
    ['meterline collect folder /srv/storage --projects projects.json --state storage.state', 'report missed slots'],
  )
}

function addListing(collect: Command, run: RunCommand): void {
  const command = collect.command('listing').description('the bytes of the objects of a bucket, from its listing on stdin: lines of JSON, or of key and size')
  withExamples(
    withLevels(withProjects(command, 'the key of an object', 'up to the first "/"'), false).action((own: SizeOptions) =>
      run((session) => {
        const [projectOf, slotMs] = [requireProjectOf(own, FIRST_PART), requireDuration(own.slot, '--slot')]
        const read = ({ nowMs }: Round) => collectListingSizes({ chunks: process.stdin, projectOf, slotMs, nowMs })
        return runCollector(session, { name: 'listing', slotMs, collect: inOnePart(read) }, own)
      }),
    ),
    ['rclone lsjson --recursive --files-only remote:bucket | meterline collect listing', 'any store that rclone knows'],
    ["aws s3api list-objects-v2 --bucket b --query 'Contents[].[Key,Size]' --output text | meterline collect listing", 'S3'],
  )
}

function addAccessLog(collect: Command, run: RunCommand): void {
  withExamples(
    withEvery(collect.command('access-log <file...>'))
      .description('bytes and requests of access logs in the combined format; the oldest file first, also .gz and .zst')
      .requiredOption('--project-pattern <regex>', 'finds the project in the path or the host, by its group (?<project>…)')
      .option('--by <part>', 'what the pattern is for: path, or host (the first field of a line)', 'path')
      .option('--bytes <metric>', 'what the bytes of bodies count for, or "none"', 'egress_bytes')
      .option('--calls <metric>', 'what requests count for; default: they are not counted')
      .option('--status <classes>', 'the requests that are calls, for example 2xx,3xx; default: all')
      .option('--source <name>', 'part of the ids: another one for the log of each server')
      .option('--complete', 'nothing more is written to the last file either')
      .action((files: string[], own: AccessLogFlags & RunOptions) => run((session) => runCollector(session, accessLogCollector(files, own), own))),
    ["meterline collect access-log access.log.1 access.log --project-pattern '^/(?<project>[^/?]+)/'", 'the rotated file too'],
    [
      "meterline collect access-log vhosts.log --by host --project-pattern '^(?<project>[^.]+)[.]' --calls function_calls --status 2xx",
      'successful requests by virtual host',
    ],
  )
}

function addPlatform(collect: Command, run: RunCommand): void {
  const command = collect
    .command('platform')
    .description('calls per hour and sizes of a backend platform, from GET /api/usage/stats of each project')
    .option('--sources <file>', 'JSON: [{"project_id", "url", "token_env" or "token_file"}]')
    .option('--project <id>', 'instead of --sources: one project; its token is in METERLINE_SOURCE_TOKEN')
    .option('--platform-url <url>', 'where the backend of --project is reached')
    .option('--since <time>', 'also the calls of the hours since then, RFC 3339; sizes of the past cannot be read')
    .option('--settle <duration>', 'an hour is read when it has been over for this long', '5m')
  withExamples(
    withLevels(command).action((own: SizeOptions & SourceOptions & { since?: string; settle: string }) =>
      run((session) => {
        const sources = requireSources(session, own)
        const [slotMs, settleMs, since] = [requireDuration(own.slot, '--slot'), requireDuration(own.settle, '--settle'), requireSince(own.since)]
        const read = ({ slots, signal }: Round) => {
          const countedThroughMs = (projectId: string) => slots.countedThroughMs.get(projectId) ?? since
          return collectPlatformStats({ sources, slotMs, settleMs, signal, countedThroughMs })
        }
        return runCollector(session, { name: 'platform', slotMs, collect: inOnePart(read) }, own)
      }),
    ),
    ['meterline collect platform --sources sources.json --state platform.state --every 1h', 'all projects, hour by hour'],
    ['meterline collect platform --project prj_1 --platform-url https://abc.example.com --dry-run', 'show what would be sent'],
    ['meterline collect platform --sources sources.json --since 2026-11-01T00:00:00Z', 'calls of past hours'],
  )
}

function withProjects(command: Command, name: string, whole: string): Command {
  return command
    .option('--project-pattern <regex>', `finds the project in ${name}, by its group (?<project>…); default: ${whole}`)
    .option('--projects <file>', `instead: a JSON object with the project of ${name}`)
}

function withLevels(command: Command, canRepeat = true): Command {
  const base = command
    .option('--slot <duration>', 'a project has one sample in each slot of this length; slots begin at midnight UTC', '1h')
    .option('--state <file>', 'remember what was collected, so that missed slots are reported')
  return withEvery(base, canRepeat)
}

/** stdin has one listing only. */
function withEvery(command: Command, canRepeat = true): Command {
  const base = command.option('--dry-run', 'print the samples as NDJSON, and send nothing')
  return canRepeat ? base.option('--every <duration>', 'go on until it is stopped, for example 1h') : base
}

function inOnePart(read: (round: Round) => Promise<CollectedPart>) {
  return async function* (round: Round): AsyncIterable<CollectedPart> {
    yield await read(round)
  }
}

/** psql does not get the credentials of this program. */
function withoutOwn(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith('METERLINE_')))
}
