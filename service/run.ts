import { misspeltVariables, readConfig } from './config.ts'
import { openLogging } from './open-logging.ts'
import { untilSignal } from './signals.ts'
import { type ServicePart, startService } from './start-service.ts'
import { exportOptionsOf } from './tracing/variables.ts'

/** Runs the service, or one part of it, until SIGTERM or SIGINT, then stops it gracefully. Throws ConfigError, or the error that ended it. */
export async function start(environment: NodeJS.ProcessEnv, part: ServicePart = 'all'): Promise<void> {
  const config = readConfig(environment, part)
  const logging = openLogging({ level: config.LOG_LEVEL, redact: ['req.headers.authorization', 'req.headers["x-partnership-secret"]'] })
  const { logger } = logging
  for (const { given, meant } of misspeltVariables(environment))
    logger.warn({ given, meant }, 'the environment has a variable that looks like a misspelt one of Meterline; it is ignored')
  const service = await startService(config, logging, part)
  if (service.adminTokenPath !== undefined) logger.info({ path: service.adminTokenPath }, 'the admin token is stored in this file')
  const pages = part === 'ingest' || part === 'aggregate' ? {} : { dashboard: `${service.url}/`, docs: `${service.url}/docs` }
  logger.info({ url: service.url, metrics: service.metricsUrl, ...pages, engine: service.clickhouse.engine, part, ...service.build }, 'Meterline is ready')
  try {
    const signal = await Promise.race([untilSignal(), service.failed])
    logger.info({ signal }, 'stopping')
    // Ctrl-C in a terminal needs no drain: there is no load balancer in front of it.
    if (signal === 'SIGTERM') await Promise.race([service.drain(), service.failed])
  } finally {
    await service.stop()
  }
  logger.info({}, 'stopped')
  // Everything is closed, but an export to a collector that does not answer may be waiting, for ten seconds.
  if (exportOptionsOf(config) !== undefined) setTimeout(() => process.exit(), EXIT_AFTER_MS).unref()
}

const EXIT_AFTER_MS = 500
