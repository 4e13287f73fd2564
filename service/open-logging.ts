import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino'
import { RecentLogs } from '../api/service-logs/recent-logs.ts'

export interface Logging {
  readonly logger: Logger
  /** The latest lines of the logger, for `GET /admin/v1/service-logs`. */
  readonly recentLogs: RecentLogs
}

/** The logger of a process. By default it writes to stdout. */
export function openLogging(options: Pick<LoggerOptions, 'level' | 'redact'>, destination?: DestinationStream): Logging {
  const recentLogs = new RecentLogs()
  const streamWrite = (line: string) => {
    recentLogs.add(line)
    return line
  }
  const withHook: LoggerOptions = { ...options, hooks: { streamWrite } }
  return { logger: destination === undefined ? pino(withHook) : pino(withHook, destination), recentLogs }
}
