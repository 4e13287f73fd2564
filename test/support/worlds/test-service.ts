import { type Config, readConfig } from '../../../service/config.ts'
import { openLogging } from '../../../service/open-logging.ts'
import { type Service, startService } from '../../../service/start-service.ts'
import { MeterlineClient } from '../clients/client.ts'
import { copyMigratedDirectory } from '../engines/migrated-directory.ts'
import { makeTemporaryDirectory } from '../temporary-directory.ts'

export interface TestService {
  readonly service: Service
  readonly client: MeterlineClient
  readonly dataDir: string
  stop(): Promise<void>
}

/**
 * Starts the whole service in this process, on a free port. It uses a new directory and removes it at the end, unless DATA_DIR is
 * given. `onLogged` gets each logged line.
 */
export async function startTestService(environment: Record<string, string> = {}, onLogged?: (line: string) => void): Promise<TestService> {
  const directory = environment['DATA_DIR'] === undefined ? makeTemporaryDirectory() : undefined
  const dataDir = environment['DATA_DIR'] ?? directory?.path ?? ''
  if (directory !== undefined) copyMigratedDirectory(dataDir)
  const config: Config = readConfig({
    PORT: '0',
    LOG_LEVEL: 'silent',
    RATE_LIMIT_PER_MINUTE: '0',
    EVENT_REQUESTS_PER_MINUTE: '0',
    AUTH_FAILURES_PER_MINUTE: '0',
    // No month is closed automatically, so that a test decides when.
    CLOSE_GRACE_HOURS: '1000000',
    ...environment,
    DATA_DIR: dataDir,
  })
  const service = await startService(config, openLogging({ level: config.LOG_LEVEL }, onLogged === undefined ? undefined : { write: onLogged }))
  return {
    service,
    client: new MeterlineClient(service.url, service.adminToken),
    dataDir,
    stop: async () => {
      await service.stop()
      directory?.remove()
    },
  }
}
