import { isUtf8 } from 'node:buffer'
import type { IncomingHttpHeaders } from 'node:http'
import { CLOUD_EVENT_ATTRIBUTES, type CloudEventAttributes } from '../../ingest/event/cloud-event.ts'

/** The attributes of a CloudEvent in binary mode (its HTTP binding, section 3.1), undefined if the request has none of them. */
export function readCloudEventHeaders(headers: IncomingHttpHeaders): CloudEventAttributes | undefined {
  const sent = CLOUD_EVENT_ATTRIBUTES.map((name) => [name, headers[`ce-${name}`]] as const)
  if (sent.every(([, value]) => value === undefined)) return undefined
  return Object.fromEntries(sent.map(([name, value]) => [name, typeof value === 'string' ? decodeValue(value) : undefined]))
}

/** Undefined if it is not encoded as the binding says: decoded somehow, two ids could become one. */
function decodeValue(value: string): string | undefined {
  const bytes = Buffer.from(value, 'latin1')
  if (!isUtf8(bytes)) return undefined
  const quoted = /^"(.*)"$/.exec(bytes.toString('utf8'))?.[1]
  const text = quoted?.replaceAll(/\\(.)/g, '$1') ?? bytes.toString('utf8')
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
