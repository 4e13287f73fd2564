import { expect } from 'vitest'
import type { Answer, MeterlineClient } from './client.ts'

/** A client of the Secrets API as documented. Numbers of its answers are JavaScript numbers. */
export class SecretsClient {
  readonly #client: MeterlineClient

  constructor(client: MeterlineClient) {
    this.#client = client
  }

  async call(...request: Parameters<MeterlineClient['call']>): Promise<Answer> {
    const answer = await this.#client.call(...request)
    return { ...answer, body: JSON.parse(answer.text) }
  }

  admin(method: string, path: string, body?: unknown, token: string = this.#client.adminToken): Promise<Answer> {
    const headers = { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) }
    return this.call(method, path, { headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
  }

  create(key: string, value = `value of ${key}`, more: object = {}): Promise<Answer> {
    return this.admin('POST', '/api/secrets', { key, value, ...more })
  }

  read(key: string): Promise<Answer> {
    return this.admin('GET', `/api/secrets/${key}`)
  }

  update(key: string, body: unknown): Promise<Answer> {
    return this.admin('PUT', `/api/secrets/${key}`, body)
  }

  remove(key: string): Promise<Answer> {
    return this.admin('DELETE', `/api/secrets/${key}`)
  }

  async list(): Promise<ListedSecret[]> {
    return (await this.admin('GET', '/api/secrets')).body.secrets
  }

  async listed(key: string): Promise<ListedSecret> {
    const found = (await this.list()).find((each) => each.key === key)
    if (found === undefined) throw new Error(`${key} is not listed.`)
    return found
  }
}

export interface ListedSecret {
  readonly id: string
  readonly key: string
  readonly isActive: boolean
  readonly isReserved: boolean
  readonly createdAt: string
  readonly updatedAt: string
  readonly expiresAt: string | null
}

/** An error as documented. */
export function secretsError(error: string, statusCode: number, message: unknown = expect.any(String)): object {
  return { error, message, statusCode }
}
