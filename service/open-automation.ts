import type { Logger } from 'pino'
import { startAutomation } from '../automation/start-automation.ts'
import type { RegistryChanges } from '../registry/changes.ts'
import type { MasterKeys } from '../registry/keys/sealing.ts'
import type { ClickHouse } from '../sql/clickhouse.ts'
import type { Closers } from './closers.ts'
import type { Config } from './config.ts'

export interface AutomationWiring {
  readonly changes: RegistryChanges
  /** Undefined in a process without MASTER_KEY, which delivers nothing. */
  readonly masterKeys: MasterKeys | undefined
}

/** Starts the jobs of automation/: thresholds, and messages to webhooks. */
export async function openAutomation(
  { config, clickhouse, logger, closers }: { config: Config; clickhouse: ClickHouse; logger: Logger; closers: Closers },
  { changes, masterKeys }: AutomationWiring,
): Promise<void> {
  if (masterKeys === undefined) logger.warn('MASTER_KEY is not set, so this process stores messages to webhooks but does not deliver them')
  const automation = await startAutomation({
    clickhouse,
    changes,
    masterKeys,
    allowed: config.OUTGOING_ALLOW,
    publicUrl: config.PUBLIC_URL ?? `http://${config.HOST}:${config.PORT}`,
    logger: logger.child({ source: 'automation' }),
    now: Date.now,
  })
  closers.add(() => automation.stop())
}
