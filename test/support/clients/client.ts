import { parseExactJson } from '../../../metering/exact-json.ts'
import { NumberToken } from '../../../metering/quantity.ts'

export interface TestEvent {
  event_id: string
  project_id: string
  metric: string
  value: string | number
  timestamp: string
  labels?: Readonly<Record<string, string>> | undefined
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  /** The parsed JSON, in which numbers are exact texts. Undefined for an answer without JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: tests read answers of every shape
  readonly body: any
  readonly text: string
}

export interface Credentials {
  readonly partnerId: string
  readonly secret: string
}

/** The public HTTP API, as tests call it. */
export class MeterlineClient {
  readonly url: string
  readonly adminToken: string
  ingestKey = ''

  constructor(url: string, adminToken: string) {
    this.url = url
    this.adminToken = adminToken
  }

  async call(method: string, path: string, { headers = {}, body }: { headers?: Record<string, string>; body?: string | Buffer } = {}): Promise<Answer> {
    const response = await fetch(new URL(path, this.url), { method, headers, ...(body === undefined ? {} : { body }) })
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.startsWith('application/json') === true
    return { status: response.status, headers: response.headers, text, body: isJson && text !== '' ? numbersAsText(parseExactJson(text)) : undefined }
  }

  admin(method: string, path: string, body?: unknown): Promise<Answer> {
    const headers = { authorization: `Bearer ${this.adminToken}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) }
    return this.call(method, path, { headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
  }

  async createPartner(name: string, mode: 'white-label' | 'co-branded' = 'white-label'): Promise<Credentials> {
    const { body } = await this.admin('POST', '/admin/v1/partners', { name, mode })
    return { partnerId: body.partner.id, secret: body.secret }
  }

  /** Creates an ingest key, which `send` uses from then on. */
  async createIngestKey(name = 'test'): Promise<string> {
    const { body } = await this.admin('POST', '/admin/v1/ingest-keys', { name })
    this.ingestKey = body.key
    return body.key
  }

  async registerProject(projectId: string, partnerId: string, extra: Record<string, unknown> = {}): Promise<Answer> {
    return this.admin('PUT', `/admin/v1/projects/${projectId}`, { partner_id: partnerId, name: projectId, ...extra })
  }

  send(events: readonly unknown[] | unknown): Promise<Answer> {
    return this.sendBody(JSON.stringify(events))
  }

  sendBody(body: string | Buffer, contentType = 'application/json'): Promise<Answer> {
    return this.call('POST', '/v1/events', { headers: { authorization: `Bearer ${this.ingestKey}`, 'content-type': contentType }, body })
  }

  partner({ partnerId, secret }: Credentials, method: string, path: string, body?: string): Promise<Answer> {
    const headers = { 'x-partnership-secret': secret, 'content-type': 'application/json' }
    return this.call(method, `/partnership/v1/${partnerId}${path}`, { headers, ...(body === undefined ? {} : { body }) })
  }

  projectUsage(credentials: Credentials, projectId: string, from: string, to: string): Promise<Answer> {
    return this.partner(credentials, 'GET', `/${projectId}/usage?start_date=${from}&end_date=${to}`)
  }

  partnershipUsage(credentials: Credentials, from: string, to: string): Promise<Answer> {
    return this.partner(credentials, 'GET', `/usage?start_date=${from}&end_date=${to}`)
  }

  billFrom(partnerId: string, month: string): Promise<Answer> {
    return this.admin('PATCH', `/admin/v1/partners/${partnerId}`, { billing_from: month })
  }

  closeMonth(partnerId: string, month: string): Promise<Answer> {
    return this.admin('POST', `/admin/v1/statements/${partnerId}/${month}/close`)
  }

  statement(credentials: Credentials, month: string): Promise<Answer> {
    return this.partner(credentials, 'GET', `/statements/${month}`)
  }

  audit(scope: { from?: string; to?: string; project_id?: string } = {}): Promise<Answer> {
    return this.admin('POST', '/admin/v1/audits', scope)
  }
}

function numbersAsText(value: unknown): unknown {
  if (value instanceof NumberToken) return value.text
  if (Array.isArray(value)) return value.map(numbersAsText)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, numbersAsText(inner)]))
}
