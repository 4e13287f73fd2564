import type { ServerResponse } from 'node:http'
import { startWebhookReceiver } from './webhook-receiver.ts'

/** A message as the platform read it. */
export interface PlatformMessage {
  readonly headers: Record<string, string>
  readonly body: Buffer
  readonly type: string
  readonly data: { readonly id: string; readonly status: string; readonly revision: number; readonly region: string }
}

/** A platform that takes projects over: at once, not at all, or when the test says so. */
export async function startPlatform() {
  let mode: 'takes' | 'fails' | 'holds' = 'takes'
  const held: ServerResponse[] = []
  let heldMost = 0
  const receiver = await startWebhookReceiver((_, response) => {
    if (mode === 'holds') heldMost = Math.max(heldMost, held.push(response))
    else response.writeHead(mode === 'takes' ? 204 : 500).end()
  })
  const messages = (): PlatformMessage[] => receiver.requests.map(({ headers, body }) => ({ headers, body, ...JSON.parse(body.toString('utf8')) }))
  return {
    url: receiver.url,
    held: () => held.length,
    /** The most that were ever held at once. */
    heldMost: () => heldMost,
    messages,
    of: (projectId: string) => messages().filter(({ data }) => data.id === projectId),
    is: (next: typeof mode) => {
      mode = next
    },
    /** Answers what is held, in the order in which it came. */
    release: (status = 204) => {
      for (const response of held.splice(0)) response.writeHead(status).end()
    },
    stop: receiver.stop,
  }
}

export type Platform = Awaited<ReturnType<typeof startPlatform>>
