import { get, type IncomingMessage } from 'node:http'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { chooseCoding } from '../../../api/http/compress-answers.ts'
import type { Credentials } from '../../support/clients/client.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

let tested: TestService
let partner: Credentials
beforeAll(async () => {
  tested = await startTestService()
  const { client } = tested
  await client.createIngestKey()
  partner = await client.createPartner('Ours')
  const ids = Array.from({ length: 60 }, (_, index) => `project-${index}`)
  await client.admin('POST', '/admin/v1/projects/batch', { projects: ids.map((id) => ({ id, name: id, partner_id: partner.partnerId })) })
  await client.send(ids.map((id) => ({ event_id: 'e', project_id: id, metric: 'ai_tokens', value: 1, timestamp: '2026-03-07T00:00:00Z' })))
})
afterAll(() => tested.stop())

/** Unlike fetch, it does not decompress. */
async function raw(path: string, headers: Record<string, string>, method = 'GET'): Promise<{ answer: IncomingMessage; body: Buffer }> {
  const answer = await new Promise<IncomingMessage>((resolve, reject) => get(`${tested.client.url}${path}`, { method, headers }, resolve).once('error', reject))
  const chunks: Buffer[] = []
  for await (const chunk of answer) chunks.push(chunk)
  return { answer, body: Buffer.concat(chunks) }
}

const admin = () => ({ authorization: `Bearer ${tested.client.adminToken}` })
const READERS = { gzip: gunzipSync, br: brotliDecompressSync } as const
const CODINGS = Object.keys(READERS) as (keyof typeof READERS)[]

describe('answers to callers that accept a coding', () => {
  test('files and long answers are compressed, and unpack to the same bytes', async () => {
    for (const path of [
      '/admin/v1/exports?from=2026-03-07&to=2026-03-07',
      '/admin/v1/exports?from=2026-03-07&to=2026-03-07&format=ndjson',
      '/admin/v1/projects',
    ]) {
      const plain = await raw(path, admin())
      expect([path, plain.answer.headers['content-encoding'], plain.answer.headers.vary]).toEqual([path, undefined, expect.stringContaining('accept-encoding')])
      for (const coding of CODINGS) {
        const { answer, body } = await raw(path, { ...admin(), 'accept-encoding': coding })
        expect([path, answer.headers['content-encoding']]).toEqual([path, coding])
        expect(READERS[coding](body).equals(plain.body)).toBe(true)
        expect(body.length).toBeLessThan(plain.body.length / 2)
        expect(answer.headers['x-meterline-manifest'] === undefined).toBe(plain.answer.headers['x-meterline-manifest'] === undefined)
      }
    }
  })

  test('a compressed answer has the ETag of the plain one, and 304 has no coding', async () => {
    const path = '/admin/v1/projects'
    const { answer } = await raw(path, { ...admin(), 'accept-encoding': 'gzip' })
    expect(answer.headers.etag).toBe((await raw(path, admin())).answer.headers.etag)
    const unchanged = await raw(path, { ...admin(), 'accept-encoding': 'gzip', 'if-none-match': answer.headers.etag ?? '' })
    expect([unchanged.answer.statusCode, unchanged.answer.headers['content-encoding'], unchanged.body.length]).toEqual([304, undefined, 0])
  })

  test('the description of the API is compressed, has its ETag, and is not sent to a caller that has it', async () => {
    const plain = await raw('/openapi.json', {})
    expect([plain.answer.headers['content-encoding'], plain.answer.headers.vary]).toEqual([undefined, 'accept-encoding'])
    for (const coding of CODINGS) {
      const { answer, body } = await raw('/openapi.json', { 'accept-encoding': coding })
      expect([answer.headers['content-encoding'], answer.headers.etag, answer.headers['content-length']]).toEqual([
        coding,
        plain.answer.headers.etag,
        String(body.length),
      ])
      expect(READERS[coding](body).equals(plain.body)).toBe(true)
      expect(body.length).toBeLessThan(plain.body.length / 4)
    }
    const unchanged = await raw('/openapi.json', { 'accept-encoding': 'gzip', 'if-none-match': plain.answer.headers.etag ?? '' })
    expect([unchanged.answer.statusCode, unchanged.answer.headers['content-encoding'], unchanged.body.length]).toEqual([304, undefined, 0])
  })

  test('short answers, HEAD, errors and Parquet files are not compressed', async () => {
    const accepting = { ...admin(), 'accept-encoding': 'gzip' }
    const days = 'from=2026-03-07&to=2026-03-07'
    const codingOf = async (path: string, method?: string) => (await raw(path, accepting, method)).answer.headers['content-encoding']
    expect(await codingOf(`/admin/v1/projects/project-1`)).toBeUndefined()
    expect(await codingOf('/admin/v1/projects', 'HEAD')).toBeUndefined()
    expect(await codingOf(`/admin/v1/projects?search=${'x'.repeat(2_000)}`)).toBeUndefined()
    expect(await codingOf(`/admin/v1/exports?${days}&format=parquet`)).toBeUndefined()
  })

  test('answers that hold secrets are never compressed, whatever text stands beside them', async () => {
    const value = 'mls_'.repeat(400)
    await tested.client.admin('POST', '/api/secrets', { key: 'COMPRESSED', value })
    const { answer, body } = await raw('/api/secrets/COMPRESSED', { ...admin(), 'accept-encoding': 'gzip' })
    expect([answer.statusCode, answer.headers['content-encoding']]).toEqual([200, undefined])
    expect(body.length).toBeGreaterThan(1_024)
    const spec = (await (await fetch(`${tested.client.url}/openapi.json`)).json()) as {
      paths: Record<string, { get?: { responses: Record<string, unknown> } }>
    }
    const holdingKeys = Object.entries(spec.paths)
      .filter(([, { get: read }]) => read !== undefined && /"api_key"/.test(JSON.stringify(read.responses['200'] ?? {})))
      .map(([path]) => path)
    // Their routes declare noStore (api/routes): a new path here must be one of them.
    expect(holdingKeys.sort()).toEqual(['/partnership/v1/{partnerId}/{projectId}/metadata', '/partnership/v1/{partnerId}/{userId}/{projectId}/metadata'])
  })
})

test('the coding that the caller weights highest is chosen, and the better one of equals', () => {
  const offered = ['zstd', 'br', 'gzip'] as const
  for (const [accepted, coding] of [
    [undefined, undefined],
    ['', undefined],
    ['gzip', 'gzip'],
    ['gzip, deflate, br', 'br'],
    ['gzip, br, zstd', 'zstd'],
    ['GZIP;q=1.0, br;q=0.5', 'gzip'],
    ['br;q=0, *', 'zstd'],
    ['gzip;q=0', undefined],
    ['identity', undefined],
    ['gzip;q=9', undefined],
    ['*;q=0', undefined],
  ] as const)
    expect([accepted, chooseCoding(accepted, offered)]).toEqual([accepted, coding])
})
