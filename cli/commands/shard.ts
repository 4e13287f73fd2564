import { counted } from '../../metering/counted.ts'
import { grouped } from '../../metering/grouped.ts'
import { type CommandRegistration, withExamples } from '../command.ts'
import { completeFrom, ENV_FILE, type EnvFileOptions } from '../env-file.ts'
import { CliError } from '../errors.ts'
import { printNote, printResult } from '../output.ts'
import { plainTable } from '../plain-table.ts'
import type { Session } from '../session.ts'

export const shardCommand: CommandRegistration = (program, run) => {
  const shard = program.command('shard').description('the ClickHouse servers of a store that has several (CLICKHOUSE_URLS)')
  const configured = (own: EnvFileOptions, work: (session: Session) => Promise<void>) =>
    run((session) => work({ ...session, environment: completeFrom(own, session.environment) }))
  withExamples(
    shard
      .command('list')
      .description('show which partitions each shard has, and how many events')
      .option(...ENV_FILE)
      .action((own: EnvFileOptions) => configured(own, list)),
    ['meterline shard list --env-file .env', 'also while processes run'],
  )
  withExamples(
    shard
      .command('add')
      .description('add the last server of CLICKHOUSE_URLS as a shard; it has no projects before partitions are moved to it')
      .option(...ENV_FILE)
      .action((own: EnvFileOptions) => configured(own, add)),
    ['meterline shard add --env-file .env', 'after a third server was written at the end of CLICKHOUSE_URLS'],
  )
  withExamples(
    shard
      .command('move')
      .description("move a partition's projects to another shard, while no process runs; can be repeated after an interruption")
      .argument('<partition>', 'of the topic that is read; the first is 0')
      .requiredOption('--to <shard>', 'place of the shard in CLICKHOUSE_URLS; the first is 1')
      .option(...ENV_FILE)
      .action((partition: string, own: MoveOptions) => configured(own, (session) => move(session, partition, own))),
    ['meterline shard move 3 --to 2 --env-file .env', 'after all processes were stopped'],
  )
  withExamples(
    shard
      .command('restored')
      .description('make a shard that was restored from an older backup a part of the store again, while no process runs')
      .argument('<place>', 'its place in CLICKHOUSE_URLS; the first is 1')
      .option(...ENV_FILE)
      .action((place: string, own: EnvFileOptions) => configured(own, (session) => restored(session, place))),
    ['meterline shard restored 2 --env-file .env', 'after the backup of the second server was restored, before any process starts'],
  )
}

interface MoveOptions extends EnvFileOptions {
  readonly to: string
}

/** Throws Error with the reason. */
async function list(session: Session): Promise<void> {
  const { listShards } = await import('../../service/change-shards.ts')
  const answer = await listShards(session.environment)
  const rows = answer.shards.map(({ shard, server, slots, events }) => [shard, server, slots.join(', ') || 'none', grouped(events)])
  printResult(session, answer, () => [
    plainTable(['shard', 'server', `partitions modulo ${answer.slots}`, 'events'], rows, [0, 3]),
    ...(answer.moving === null
      ? []
      : [`Moving partition ${answer.moving.partition} has not ended: meterline shard move ${answer.moving.partition} --to ${answer.moving.to}`]),
  ])
}

/** Throws Error with the reason. */
async function add(session: Session): Promise<void> {
  const { addShard } = await import('../../service/change-shards.ts')
  const answer = await addShard(session.environment)
  printResult(session, answer, () => [
    `Shard ${answer.shard} is added. It has no projects yet.`,
    `Start all processes again with the new list when it suits you. "meterline shard move <partition> --to ${answer.shard}" moves projects to it.`,
  ])
}

/** Throws CliError, and Error with the reason. */
async function move(session: Session, text: string, { to }: MoveOptions): Promise<void> {
  if (!/^\d{1,5}$/.test(text)) throw new CliError(`"${text}" is not the number of a partition, such as 3. The first is 0.`)
  const { movePartition } = await import('../../service/change-shards.ts')
  const wanted = { partition: Number(text), to: placeFrom(to) }
  const answer = await movePartition(session.environment, wanted, (step) => printNote(session, step))
  printResult(session, answer, () => [
    {
      moved: `The projects of partition ${answer.partition} are on shard ${answer.shard} now.`,
      undone: `The move of partition ${answer.partition} is undone: its projects are on shard ${answer.shard}, as before.`,
      'there already': `The projects of partition ${answer.partition} are on shard ${answer.shard} already.`,
    }[answer.status],
    ...(answer.status === 'there already'
      ? []
      : ['Start the processes again, with "ingest" first. as_of is empty until the logs are read to their end. Then run "meterline audit".']),
  ])
}

/** Throws CliError, and Error with the reason. */
async function restored(session: Session, text: string): Promise<void> {
  const place = placeFrom(text)
  const { admitShard } = await import('../../service/change-shards.ts')
  const answer = await admitShard(session.environment, place)
  printResult(session, answer, () => [
    `Shard ${answer.shard} is a part of the store again: ${counted(answer.logs, 'log')} and ${counted(answer.days, 'day')} of usage.`,
    'Start ingest now: it reads the events since the backup again, and as_of is empty until then. Then run "meterline audit".',
  ])
}

/** Throws CliError. */
function placeFrom(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new CliError(`"${text}" is not a place in CLICKHOUSE_URLS, such as 2. The first is 1.`)
  return Number(text)
}
