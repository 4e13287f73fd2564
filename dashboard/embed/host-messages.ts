import { address } from '../address/address.ts'

/** What the page around the view may send with postMessage. */
export type HostMessage =
  | { readonly type: 'meterline:token'; readonly token: string }
  | { readonly type: 'meterline:theme'; readonly properties: Readonly<Record<string, string>> }

/**
 * Calls back for each message of the page around. Only pages of EMBED_ORIGINS can be around (frame-ancestors); messages of other
 * windows are ignored. Returns what ends it.
 */
export function listenToHost(use: (message: HostMessage) => void): () => void {
  const listen = ({ source, data }: MessageEvent<unknown>) => {
    if (source !== window.parent || window.parent === window) return
    const message = parseMessage(data)
    if (message !== undefined) use(message)
  }
  addEventListener('message', listen)
  askForToken()
  return () => removeEventListener('message', listen)
}

/** At the beginning, and before a token ends. The message holds no secret, and the origin of the page around is not known here. */
function askForToken(): void {
  window.parent.postMessage({ type: 'meterline:ready' }, '*')
}

/** Asks for the next token before this one ends, so that the view stays. Returns what takes it back. */
export function askForNextToken(lifetimeSeconds: number): () => void {
  const timer = setTimeout(askForToken, lifetimeSeconds * SHARE_OF_LIFETIME * 1000)
  return () => clearTimeout(timer)
}

const SHARE_OF_LIFETIME = 0.8

/** A token in the address, after #: it is sent to no server. */
export function tokenOfAddress(): string | undefined {
  return address.value.parameters['token']
}

function parseMessage(data: unknown): HostMessage | undefined {
  if (typeof data !== 'object' || data === null) return undefined
  const { type, token, properties } = data as Record<string, unknown>
  if (type === 'meterline:token' && typeof token === 'string') return { type, token }
  if (type !== 'meterline:theme' || typeof properties !== 'object' || properties === null) return undefined
  const texts = Object.entries(properties).filter((pair): pair is [string, string] => typeof pair[1] === 'string')
  return { type, properties: Object.fromEntries(texts) }
}
