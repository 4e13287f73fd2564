import type { ServerResponse } from 'node:http'
import { startWebhookReceiver } from './webhook-receiver.ts'

/** A message as the platform received it. */
export interface PlatformMessage {
  readonly headers: Record<string, string>
  readonly body: Buffer
  readonly type: string
  readonly data: { readonly id: string; readonly status: string; readonly revision: number; readonly region: string }
}

/** A platform that acknowledges messages immediately, fails them, or holds them until the test releases them. */
export async function startPlatform() {
  let mode: 'acknowledges' | 'fails' | 'holds' = 'acknowledges'
  const held: ServerResponse[] = []
  let heldCountMax = 0
  const receiver = await startWebhookReceiver((_, response) => {
    if (mode === 'holds') heldCountMax = Math.max(heldCountMax, held.push(response))
    else response.writeHead(mode === 'acknowledges' ? 204 : 500).end()
  })
  const messages = (): PlatformMessage[] => receiver.requests.map(({ headers, body }) => ({ headers, body, ...JSON.parse(body.toString('utf8')) }))
  return {
    url: receiver.url,
    heldCount: () => held.length,
    /** The most responses that were ever held at the same time. */
    heldCountMax: () => heldCountMax,
    messages,
    of: (projectId: string) => messages().filter(({ data }) => data.id === projectId),
    set: (next: typeof mode) => {
      mode = next
    },
    /** Answers the held requests in the order of their arrival. */
    release: (status = 204) => {
      for (const response of held.splice(0)) response.writeHead(status).end()
    },
    stop: receiver.stop,
  }
}

export type Platform = Awaited<ReturnType<typeof startPlatform>>
