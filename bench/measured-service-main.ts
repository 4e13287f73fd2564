import { pino } from 'pino'
import { readConfig } from '../service/config.ts'
import { startService } from '../service/start-service.ts'
import { type AnsweredRequest, listenToRequests } from '../test/support/query-trace.ts'

/** The service, telling how long each request was in it without asking the store. Ends with its parent. */
export interface MeasuredServiceTask {
  readonly environment: Readonly<Record<string, string>>
}

export type FromMeasuredService = { readonly url: string; readonly adminToken: string } | { readonly answered: readonly AnsweredRequest[] }

let answered: AnsweredRequest[] = []
const config = readConfig((JSON.parse(process.argv[2] ?? '{}') as MeasuredServiceTask).environment)
const service = await startService(config, pino({ level: config.LOG_LEVEL }))
listenToRequests((request) => answered.push(request))
process.on('message', () => {
  process.send?.({ answered } satisfies FromMeasuredService)
  answered = []
})
process.once('disconnect', () => {
  service.stop().finally(() => process.exit(0))
})
process.send?.({ url: service.url, adminToken: service.adminToken } satisfies FromMeasuredService)
