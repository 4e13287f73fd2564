import { readStoppedLogs, type StoppedLog } from '../../aggregator/health/stopped-logs.ts'
import type { ClickHouse } from '../../sql/clickhouse.ts'
import { countActiveThresholds } from '../thresholds/thresholds.ts'
import { readScheduleHealth, type ScheduleHealth } from './schedule-health.ts'
import { readWebhookHealth, type WebhookHealth } from './webhook-health.ts'

/** The state of schedules, webhooks, thresholds and logs as it is stored, so it is the same in every process. */
export interface AutomationHealth {
  readonly schedules: readonly ScheduleHealth[]
  readonly webhooks: readonly WebhookHealth[]
  readonly activeThresholds: number
  readonly stoppedLogs: readonly StoppedLog[]
}

/** Throws StoreError. */
export async function readAutomationHealth(clickhouse: ClickHouse, nowMs: number): Promise<AutomationHealth> {
  return {
    schedules: await readScheduleHealth(clickhouse, nowMs),
    webhooks: await readWebhookHealth(clickhouse, nowMs),
    activeThresholds: await countActiveThresholds(clickhouse),
    stoppedLogs: await readStoppedLogs(clickhouse),
  }
}
