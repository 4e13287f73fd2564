import type { Kafka } from 'kafkajs'
import { CompressionTypes, Partitioners } from 'kafkajs'
import { afterMs } from './clock.ts'
import type { EmitHttpOptions } from './emit-http.ts'
import { type EmittingOptions, untilConnected, untilSent } from './emit-kafkajs.ts'
import { hostileRecord, hostileRequest } from './hostile-records.ts'

const EVERY_MS = 400
const BATCH_RECORDS = 4
const REQUEST_MS_MAX = 20_000

/** Produces records that must be rejected for a known reason, compressed: some unpack to a thousand times their size. */
export async function emitHostileRecords({
  kafka,
  generator,
  random,
  acknowledged,
  topic,
  ending,
}: EmittingOptions & { readonly kafka: Kafka }): Promise<void> {
  const { name, projects } = generator.options
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner, allowAutoTopicCreation: false })
  await untilConnected(producer)
  for (let at = 0; !ending(); at += BATCH_RECORDS) {
    const messages = Array.from({ length: BATCH_RECORDS }, (_, index) => {
      const project = random.pick(projects)
      const { value, headers } = hostileRecord(random, `${name}-${at + index}`, project)
      return { key: project, value, headers }
    })
    await untilSent(producer, { topic, acks: -1, messages, compression: CompressionTypes.GZIP }, acknowledged)
    acknowledged.add(
      'hostile',
      messages.map(({ key }) => ({ projectId: key, value: null, eventId: undefined })),
    )
    await afterMs(EVERY_MS)
  }
  await producer.disconnect()
}

/** Sends requests that must be answered in a known way, each until it is answered. Returns a description of each other answer. */
export async function emitHostileRequests(options: EmitHttpOptions): Promise<string[]> {
  const { generator, random, acknowledged, ending } = options
  const { name, projects } = generator.options
  const differences: string[] = []
  for (let at = 0; !ending(); at += 1) {
    const request = hostileRequest(random, `${name}-${at}`, random.pick(projects))
    for (let answer = await send(request, options); ; answer = await send(request, options)) {
      if (answer === undefined) {
        acknowledged.countRetry('hostile')
        await afterMs(500)
        continue
      }
      const expected = JSON.stringify([request.status, request.rejected])
      if (answer === expected) acknowledged.add('hostile', request.accepted)
      else
        differences.push(
          `hostile: ${name}-${at} (${JSON.stringify(request.headers)}, ${request.body.length} bytes) is answered ${answer} instead of ${expected}`,
        )
      break
    }
    await afterMs(EVERY_MS)
  }
  return differences
}

/** The status and the reasons by index; undefined if the outcome is unknown. */
async function send({ body, headers }: ReturnType<typeof hostileRequest>, { urls, random, ingestKey }: EmitHttpOptions): Promise<string | undefined> {
  const listening = urls()
  if (listening.length === 0) return undefined
  try {
    const response = await fetch(new URL('/v1/events', random.pick(listening)), {
      method: 'POST',
      headers: { ...headers, authorization: `Bearer ${ingestKey}` },
      body: new Uint8Array(body),
      signal: AbortSignal.timeout(REQUEST_MS_MAX),
    })
    const text = await response.text()
    if (response.status >= 500) return undefined
    const { rejected = [] } = JSON.parse(text) as { rejected?: { index: string; reason: string }[] }
    return JSON.stringify([response.status, Object.fromEntries(rejected.map(({ index, reason }) => [index, reason]))])
  } catch {
    return undefined
  }
}
