import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { rebuildRollup } from '../../ingest/repair/rebuild-rollup.ts'
import { parseMonth } from '../../metering/month.ts'
import type { Actor } from '../../registry/audit-log.ts'
import { RegistryChanges } from '../../registry/changes.ts'
import { readConfig } from '../../service/config.ts'
import { openStore, warnOnStderr } from '../../service/open-store.ts'
import { migrate } from '../../sql/migrate.ts'
import { call, readServiceAddress } from '../http-client.ts'
import { CliError, type OutputOptions, printResult } from '../output.ts'

export interface RebuildOptions extends OutputOptions {
  readonly month: string
  /** In this process, because no service runs. */
  readonly offline?: boolean
}

/** Counts a month's rollup anew from raw. Throws CliError. */
export async function rebuild(environment: NodeJS.ProcessEnv, { month, offline, ...options }: RebuildOptions): Promise<void> {
  const rebuilt = offline === true ? rebuildHere(environment, month) : call(readServiceAddress(environment), 'POST', '/admin/v1/rebuilds', { month })
  const answer = RebuildAnswer.parse(await rebuilt)
  printResult(options, answer, () => [
    answer.keys === 0
      ? `Raw has no events of ${answer.month}; its rollup is empty.`
      : `The rollup of ${answer.month} is rebuilt: ${answer.events} events, ${answer.keys} daily totals.`,
    `${answer.differences_before} daily totals differed before.`,
  ])
}

/** A log whose last range has a rollup ahead of raw is not settled, so a service without Kafka does not start and cannot be asked. */
async function rebuildHere(environment: NodeJS.ProcessEnv, text: string): Promise<z.output<typeof RebuildAnswer>> {
  const month = parseMonth(text)
  if (month === undefined) throw new CliError('--month must be a calendar month as YYYY-MM.')
  const config = readConfig(environment)
  if (config.CLICKHOUSE_URL === undefined && !existsSync(join(config.DATA_DIR, 'clickhouse')))
    throw new CliError(`There is no data in DATA_DIR ${config.DATA_DIR}. Set DATA_DIR to the directory of the service.`)
  const clickhouse = await openStore(config, { logger: { warn: warnOnStderr } })
  try {
    await migrate(clickhouse)
    await new RegistryChanges(clickhouse).note(OFFLINE, { action: 'rollup.rebuild', subject: month })
    const outcome = await rebuildRollup(clickhouse, month, (work) => work(undefined))
    if (outcome.status === 'refused') throw new CliError(outcome.reason)
    const { keys, events, differencesBefore } = outcome.result
    return { month, keys, events, differences_before: differencesBefore }
  } finally {
    await clickhouse.close()
  }
}

/** Whoever may read DATA_DIR, or knows the store. */
const OFFLINE: Actor = { name: 'offline', requestId: '' }

const RebuildAnswer = z.object({ month: z.string(), keys: z.number(), events: z.number(), differences_before: z.number() })
