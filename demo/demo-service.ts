import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { destination } from 'pino'
import type { Closers } from '../service/closers.ts'
import { readConfig } from '../service/config.ts'
import { openLogging } from '../service/open-logging.ts'
import { type Service, startService } from '../service/start-service.ts'

const PORT_DEFAULT = '8080'

/** Starts a separate service in a temporary directory, which is removed when it closes. The data of an existing installation is not touched. */
export async function startDemoService({ HOST, PORT, EMBED_ORIGINS, LOG_LEVEL = 'warn' }: NodeJS.ProcessEnv, closers: Closers): Promise<Service> {
  const directory = mkdtempSync(join(tmpdir(), 'meterline-demo-'))
  // The engine may still write its last files while the directory is being removed, so the removal is retried.
  const remove = () => rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
  closers.add(async () => remove())
  // No closer runs after an uncaught exception.
  process.once('exit', remove)

  const settings = { HOST, LOG_LEVEL, EMBED_ORIGINS, DATA_DIR: directory, RATE_LIMIT_PER_MINUTE: '0', EVENT_REQUESTS_PER_MINUTE: '0' }
  const start = (port: string) => {
    const config = readConfig({ ...settings, PORT: port })
    return startService(config, openLogging({ level: config.LOG_LEVEL }, destination(process.stderr.fd)))
  }
  // If the user has set no PORT and the default one is in use, any free port will do.
  const service = PORT === undefined || PORT === '' ? await start(PORT_DEFAULT).catch(startOnFreePortIfInUse(start)) : await start(PORT)
  closers.add(() => service.stop())
  return service
}

function startOnFreePortIfInUse(start: (port: string) => Promise<Service>): (error: unknown) => Promise<Service> {
  return (error) => {
    const cause = error instanceof Error ? error.cause : undefined
    if (cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE') return start('0')
    throw error
  }
}
