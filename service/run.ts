import { pino } from 'pino'
import { readConfig } from './config.ts'
import { untilSignal } from './signals.ts'
import { type ServiceParts, startService } from './start-service.ts'

/** Runs the service, or a part of it, until SIGTERM or SIGINT, then stops it in good order. */
export async function start(environment: NodeJS.ProcessEnv, parts: ServiceParts = 'all'): Promise<void> {
  const config = readConfig(environment)
  const logger = pino({ level: config.LOG_LEVEL, redact: ['req.headers.authorization', 'req.headers["x-partnership-secret"]'] })
  const service = await startService(config, logger, parts)
  if (service.adminTokenPath !== undefined) logger.info({ path: service.adminTokenPath }, 'the admin token is kept in this file')
  const docs = parts === 'ingest' || parts === 'aggregate' ? undefined : `${service.url}/docs`
  logger.info({ url: service.url, docs, engine: service.clickhouse.engine, parts }, 'Meterline is ready')
  try {
    const signal = await Promise.race([untilSignal(), service.lost])
    logger.info({ signal }, 'stopping')
  } finally {
    await service.stop()
  }
  logger.info({}, 'stopped')
}
