import { Agent, type IncomingMessage, request } from 'node:http'

export interface TimedAnswer {
  readonly seconds: number
  readonly body: Buffer
}

export interface Request {
  readonly method: 'GET' | 'POST' | 'PUT'
  readonly url: URL
  readonly headers: Record<string, string>
  readonly body?: Buffer
}

export interface Load {
  readonly connections: number
  /** No request starts after this time; requests in progress are completed. */
  readonly secondsMax: number
  readonly requests: readonly Request[]
}

export interface LoadResult {
  /** From the first request to the last answer. */
  readonly seconds: number
  readonly answers: readonly TimedAnswer[]
}

/** A closed loop: each connection sends its next request after the previous answer. Throws unless every answer is 200 or 201. */
export async function runLoad({ connections, secondsMax, requests }: Load): Promise<LoadResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const answers: TimedAnswer[] = []
  const waiting = requests.values()
  const started = performance.now()
  const connection = async () => {
    for (const next of waiting) {
      answers.push(await send(agent, next))
      if (performance.now() - started > secondsMax * 1000) return
    }
  }
  try {
    await Promise.all(Array.from({ length: connections }, connection))
    return { seconds: (performance.now() - started) / 1000, answers }
  } finally {
    agent.destroy()
  }
}

async function send(agent: Agent, { method, url, headers, body }: Request): Promise<TimedAnswer> {
  const started = performance.now()
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': body.length }
    const sent = request(url, { agent, method, headers: { ...headers, ...length } }, resolve)
    sent.once('error', reject)
    sent.end(body)
  })
  const chunks: Buffer[] = []
  for await (const chunk of answer) chunks.push(chunk as Buffer)
  const answered = { seconds: (performance.now() - started) / 1000, body: Buffer.concat(chunks) }
  if (answer.statusCode !== 200 && answer.statusCode !== 201)
    throw new Error(`${method} ${url.pathname} failed with status ${answer.statusCode}: ${answered.body.toString('utf8')}`)
  return answered
}
