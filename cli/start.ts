import { pino } from 'pino'
import { readConfig } from './config.ts'
import { untilSignal } from './signals.ts'
import { startService } from './start-service.ts'

/** Runs the service until SIGTERM or SIGINT, then stops it in good order. */
export async function start(environment: NodeJS.ProcessEnv): Promise<void> {
  const config = readConfig(environment)
  const logger = pino({ level: config.LOG_LEVEL, redact: ['req.headers.authorization', 'req.headers["x-partnership-secret"]'] })
  const service = await startService(config, logger)
  if (service.adminTokenPath !== undefined) logger.info({ path: service.adminTokenPath }, 'the admin token is kept in this file')
  logger.info({ url: service.url, docs: `${service.url}/docs`, engine: service.clickhouse.engine }, 'Meterline is ready')
  try {
    const signal = await Promise.race([untilSignal(), service.lost])
    logger.info({ signal }, 'stopping')
  } finally {
    await service.stop()
  }
  logger.info({}, 'stopped')
}
