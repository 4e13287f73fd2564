import { readConfig } from '../service/config.ts'
import { openLogging } from '../service/open-logging.ts'
import { startService } from '../service/start-service.ts'
import { type AnsweredRequest, listenToRequests } from '../test/support/query-trace.ts'

/** The service with a report of the time that each request spent outside the store. Ends when its parent disconnects. */
export interface MeasuredServiceTask {
  readonly environment: Readonly<Record<string, string>>
}

export type MeasuredServiceMessage = { readonly url: string; readonly adminToken: string } | { readonly requests: readonly AnsweredRequest[] }

let requests: AnsweredRequest[] = []
const config = readConfig((JSON.parse(process.argv[2] ?? '{}') as MeasuredServiceTask).environment)
const service = await startService(config, openLogging({ level: config.LOG_LEVEL }))
listenToRequests((request) => requests.push(request))
process.on('message', () => {
  process.send?.({ requests } satisfies MeasuredServiceMessage)
  requests = []
})
process.once('disconnect', () => {
  service.stop().finally(() => process.exit(0))
})
process.send?.({ url: service.url, adminToken: service.adminToken } satisfies MeasuredServiceMessage)
