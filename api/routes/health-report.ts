import type { FastifyInstance } from 'fastify'
import type { BackgroundJobs } from '../../aggregator/background-jobs.ts'
import { readActivity } from '../../aggregator/health/activity.ts'
import { readDatabaseSize } from '../../aggregator/health/database-size.ts'
import type { JobStats } from '../../aggregator/repeat.ts'
import { readAutomationHealth } from '../../automation/health/automation-health.ts'
import { GET_HEALTH_REPORT } from '../../contract/health-report.ts'
import type { AnswerOf } from '../../contract/operation.ts'
import type { Ingesting } from '../../ingest/log/event-log.ts'
import { dayOf, formatTimestamp } from '../../metering/timestamp.ts'
import { automationReport } from '../answers/automation-report.ts'
import { OPERATOR } from '../auth/access.ts'
import type { ApiContext } from '../context.ts'
import { addRoute } from '../route.ts'
import { answerWhileBusy } from './health.ts'
import { workOf } from './work.ts'

type Report = AnswerOf<typeof GET_HEALTH_REPORT>

export function getHealthReport(app: FastifyInstance, context: ApiContext): void {
  const { limitedReads, serviceLogs, build, ingesting, aggregating, automating, now } = context
  addRoute(app, GET_HEALTH_REPORT, { access: OPERATOR, pressureHandler: answerWhileBusy }, async (request) => {
    const { range } = request.query
    const { host, pid, startedMs } = serviceLogs.recentLogs.process
    const { disks, tables } = await readDatabaseSize(limitedReads)
    const { intervalSeconds, counted, rejected } = await readActivity(limitedReads, range, now())
    const readiness = ingesting.readiness()
    return {
      process: { host, pid, part: serviceLogs.part, started_at: formatTimestamp(startedMs), version: build.version },
      readiness: { ready: readiness.ready, reason: readiness.ready ? null : readiness.reason, warnings: aggregating?.warnings() ?? [] },
      ingesting: ingestingOf(ingesting),
      background: aggregating === undefined ? null : backgroundOf(aggregating, workOf(context)),
      automation: automationReport(await readAutomationHealth(limitedReads, now()), { nowMs: now(), evaluatedMs: automating?.automation.evaluatedMs() }),
      database: {
        engine: limitedReads.engine,
        disks: disks.map(({ disk, freeBytes, totalBytes }) => ({ name: disk, free_bytes: freeBytes, total_bytes: totalBytes })),
        tables: [...tables],
      },
      range,
      activity: {
        interval_seconds: intervalSeconds,
        counted: counted.map(({ fromMs, events }) => ({ from: formatTimestamp(fromMs), events })),
        rejected: [...rejected],
      },
    }
  })
}

function ingestingOf(ingesting: Ingesting): Report['ingesting'] {
  const { queuedEvents, kafkaTrouble, logs } = ingesting.stats()
  return {
    queued_events: queuedEvents,
    kafka_trouble: kafkaTrouble,
    logs: logs.map((log) => ({
      log: log.log,
      owned: log.owned,
      as_of: formatTimestamp(log.asOfMs),
      lag_events: log.lagEvents,
      incident: log.incident ?? null,
      batch_in_flight_seconds: log.batchInFlightSeconds,
      open_transaction_seconds: log.openTransactionSeconds,
      filter_complete: log.filterComplete,
      filter_full: log.filterFull,
    })),
  }
}

function backgroundOf(aggregating: BackgroundJobs, work: readonly JobStats[]): NonNullable<Report['background']> {
  const [audited, due, completeMs] = [aggregating.audited(), aggregating.due(), aggregating.auditedCompletelyMs()]
  return {
    work: work.map(({ name, everySeconds, runs, failures, lastSuccessMs }) => ({
      ...{ name, every_seconds: everySeconds, runs, failures, last_success_at: timeOrNull(lastSuccessMs) },
    })),
    audits:
      audited === undefined
        ? null
        : {
            differences: audited.differences,
            last_day: audited.lastDaySeconds === undefined ? null : dayOf(audited.lastDaySeconds * 1_000),
            complete_at: timeOrNull(completeMs ?? 0),
          },
    months:
      due === undefined
        ? null
        : {
            overdue: due.overdue,
            unconfirmed: due.unconfirmed,
            negative_adjustments: due.negative,
            clock_disagreement: due.clockDisagreement ?? null,
          },
  }
}

/** Counters of jobs begin with 0 for "never". */
function timeOrNull(ms: number): string | null {
  return ms === 0 ? null : formatTimestamp(ms)
}
