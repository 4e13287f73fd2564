import { type JobStats, repeat } from '../aggregator/repeat.ts'
import type { Logger } from '../metering/logger.ts'
import type { DeliveryStats } from '../outgoing/deliver-until-acknowledged.ts'
import type { Networks } from '../outgoing/public-address.ts'
import type { RegistryChanges } from '../registry/changes.ts'
import type { MasterKeys } from '../registry/keys/sealing.ts'
import type { ClickHouse } from '../sql/clickhouse.ts'
import { type AutomationHealth, readAutomationHealth } from './health/automation-health.ts'
import type { RunningScheduler } from './schedules/start-scheduler.ts'
import { announceSpikes } from './spikes/announce-spikes.ts'
import { ThresholdEvaluator } from './thresholds/evaluate-thresholds.ts'
import { announceIncidents } from './webhooks/announce-incidents.ts'
import { announceSilentProjects, announceUnregisteredProjects } from './webhooks/announce-projects.ts'
import { announceStatements } from './webhooks/announce-statements.ts'
import { MessageDelivery } from './webhooks/deliver-messages.ts'
import { MessageQueue } from './webhooks/message-queue.ts'

export interface AutomationOptions {
  readonly clickhouse: ClickHouse
  readonly changes: RegistryChanges
  /** Undefined in a process that is not given them: it stores messages, and another process delivers them. */
  readonly masterKeys: MasterKeys | undefined
  readonly allowed: Networks
  readonly publicUrl: string
  readonly logger: Logger
  /** ms since 1970. */
  readonly now: () => number
}

/**
 * The jobs that evaluate thresholds, announce what happened, and deliver messages. Any number of processes may run them at the same time:
 * messages are stored under a lease, and delivered by one process at a time.
 */
export interface Automation {
  stats(): readonly JobStats[]
  /** What is stored, as of a minute ago; undefined before the first run. */
  health(): AutomationHealth | undefined
  /** When thresholds were last compared with usage, or found unchanged since; in ms since 1970, undefined before the first time. */
  evaluatedMs(): number | undefined
  /** Undefined in a process that does not deliver. */
  deliveries(): DeliveryStats | undefined
  /** Waits for the runs and attempts in progress. */
  stop(): Promise<void>
}

/** The jobs of automation/ in this process. */
export interface Automating {
  readonly automation: Automation
  readonly scheduler: RunningScheduler
}

export async function startAutomation(options: AutomationOptions): Promise<Automation> {
  const { changes, masterKeys, allowed, publicUrl, logger, now } = options
  // A lane of its own: closing a month takes minutes, and requests must not wait for what is read here.
  const lane = await options.clickhouse.openLane()
  const clickhouse = { ...options.clickhouse, work: lane, registry: lane }
  const queue = new MessageQueue(clickhouse)
  const announcer = { clickhouse, queue, now }
  const evaluator = new ThresholdEvaluator({ ...announcer, publicUrl })
  let evaluatedMs: number | undefined
  let health: AutomationHealth | undefined
  const jobs = [
    repeat({
      name: 'thresholds',
      everyMs: EVALUATE_EVERY_MS,
      run: async () => {
        if ((await evaluator.run()).status !== 'elsewhere') evaluatedMs = now()
      },
      logger,
    }),
    repeat({
      name: 'automation_health',
      everyMs: HEALTH_EVERY_MS,
      run: async () => {
        health = await readAutomationHealth(clickhouse, now())
      },
      logger,
    }),
    repeat({ name: 'statement_messages', everyMs: STATEMENTS_EVERY_MS, run: () => announceStatements(announcer), logger }),
    repeat({ name: 'incident_messages', everyMs: INCIDENTS_EVERY_MS, run: () => announceIncidents(announcer), logger }),
    repeat({
      name: 'project_messages',
      everyMs: PROJECTS_EVERY_MS,
      run: async () => {
        await announceSilentProjects(announcer)
        await announceUnregisteredProjects(announcer)
        await announceSpikes(announcer)
      },
      logger,
    }),
  ]
  const delivery = masterKeys === undefined ? undefined : new MessageDelivery({ registry: { clickhouse, changes, masterKeys, now }, allowed, logger })
  return {
    stats: () => jobs.map((job) => job.stats()),
    health: () => health,
    evaluatedMs: () => evaluatedMs,
    deliveries: () => delivery?.stats(),
    stop: async () => {
      await Promise.all([...jobs.map((job) => job.stop()), delivery?.stop()])
    },
  }
}

const EVALUATE_EVERY_MS = 2_000
const HEALTH_EVERY_MS = 60_000
const STATEMENTS_EVERY_MS = 60_000
const INCIDENTS_EVERY_MS = 10_000
/** What they find changes once a day. */
const PROJECTS_EVERY_MS = 3_600_000
