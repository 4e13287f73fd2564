import { type Automating, startAutomation } from '../automation/start-automation.ts'
import type { RegistryChanges } from '../registry/changes.ts'
import type { MasterKeys } from '../registry/keys/sealing.ts'
import { openScheduler, type SchedulerProcess } from './open-scheduler.ts'

export interface AutomationWiring {
  readonly changes: RegistryChanges
  /** Undefined in a process without MASTER_KEY, which delivers nothing. */
  readonly masterKeys: MasterKeys | undefined
}

/** Starts the jobs of automation/: schedules, thresholds, and messages to webhooks. */
export async function openAutomation(options: SchedulerProcess, { changes, masterKeys }: AutomationWiring): Promise<Automating> {
  const { config, clickhouse, logger, closers } = options
  const scheduler = await openScheduler(options, masterKeys)
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
  return { automation, scheduler }
}
