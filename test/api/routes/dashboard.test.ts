import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib'
import { type FastifyInstance, fastify } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { serveDashboard } from '../../../api/routes/dashboard.ts'
import { readConfig } from '../../../service/config.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
const IMMUTABLE = 'public, max-age=31536000, immutable'
const PAGE = '<!doctype html><script src="/assets/app-1a2b3c4d.js"></script>'
const SCRIPT = 'console.log("the dashboard");\n'.repeat(100)

describe('a built dashboard', () => {
  const directory = makeTemporaryDirectory()
  let app: FastifyInstance
  beforeAll(async () => {
    mkdirSync(join(directory.path, 'assets'))
    const write = (name: string, content: string | Buffer) => writeFileSync(join(directory.path, name), content)
    write('index.html', PAGE)
    write('secret.js', 'beside the assets')
    write('assets/app-1a2b3c4d.js', SCRIPT)
    write('assets/app-1a2b3c4d.js.br', brotliCompressSync(SCRIPT))
    write('assets/app-1a2b3c4d.js.gz', gzipSync(SCRIPT))
    write('assets/app-5e6f7a8b.css', 'body{}')
    write('assets/mark-9c0d1e2f.svg', '<svg xmlns="http://www.w3.org/2000/svg"/>')
    app = fastify()
    serveDashboard(app, { embedOrigins: [] }, pathToFileURL(`${directory.path}/`))
    await app.ready()
  })
  afterAll(async () => {
    await app.close()
    directory.remove()
  })
  const get = (url: string, headers: Record<string, string> = {}) => app.inject({ method: 'GET', url, headers })

  test('/ and /embed are the page, which browsers ask for again each time', async () => {
    for (const path of ['/', '/embed']) {
      const { statusCode, headers, body } = await get(path)
      expect([path, statusCode, body]).toEqual([path, 200, PAGE])
      expect([headers['content-type'], headers['cache-control']]).toEqual(['text/html; charset=utf-8', 'no-cache'])
      const again = await get(path, { 'if-none-match': String(headers.etag) })
      expect([again.statusCode, again.body]).toEqual([304, ''])
    }
  })

  test('an asset has its type and is kept for a year', async () => {
    for (const [name, type] of [
      ['app-1a2b3c4d.js', 'text/javascript; charset=utf-8'],
      ['app-5e6f7a8b.css', 'text/css; charset=utf-8'],
      ['mark-9c0d1e2f.svg', 'image/svg+xml'],
    ]) {
      const { statusCode, headers } = await get(`/assets/${name}`)
      expect([name, statusCode, headers['content-type'], headers['cache-control']]).toEqual([name, 200, type, IMMUTABLE])
    }
  })

  test('the compressed bytes are those of the build, and the same text', async () => {
    const path = '/assets/app-1a2b3c4d.js'
    const plain = await get(path)
    expect([plain.body, plain.headers['content-encoding'], plain.headers.vary]).toEqual([SCRIPT, undefined, 'accept-encoding'])
    const brotli = await get(path, { 'accept-encoding': 'gzip, deflate, br, zstd' })
    expect([brotli.headers['content-encoding'], brotli.headers.vary]).toEqual(['br', 'accept-encoding'])
    expect(brotliDecompressSync(brotli.rawPayload).toString()).toBe(SCRIPT)
    expect(brotli.rawPayload.equals(brotliCompressSync(SCRIPT))).toBe(true)
    const gzip = await get(path, { 'accept-encoding': 'gzip' })
    expect(gzip.headers['content-encoding']).toBe('gzip')
    expect(gunzipSync(gzip.rawPayload).toString()).toBe(SCRIPT)
    const noneOfBoth = await get(path, { 'accept-encoding': 'br;q=0, zstd' })
    expect([noneOfBoth.headers['content-encoding'], noneOfBoth.body]).toEqual([undefined, SCRIPT])
  })

  test('an asset that the build has not compressed is sent as it is', async () => {
    const { headers, body } = await get('/assets/app-5e6f7a8b.css', { 'accept-encoding': 'br, gzip' })
    expect([headers['content-encoding'], body]).toEqual([undefined, 'body{}'])
  })

  test('no path leads out of the assets, or to their compressed files', async () => {
    for (const name of [
      'nothing.js',
      '..%2fsecret.js',
      '../secret.js',
      '%2e%2e%2fsecret.js',
      '..%5csecret.js',
      '..%2findex.html',
      '%2fetc%2fpasswd',
      'app-1a2b3c4d.js%00',
      'app-1a2b3c4d.js.br',
      '.',
      '',
      '__proto__',
    ]) {
      const { statusCode, headers } = await get(`/assets/${name}`)
      expect([name, statusCode, headers['cache-control']]).toEqual([name, 404, undefined])
    }
  })
})

test('a dashboard that is not built is a page that says what to run', async () => {
  const directory = makeTemporaryDirectory()
  const app = fastify()
  serveDashboard(app, { embedOrigins: [] }, pathToFileURL(`${directory.path}/`))
  for (const path of ['/', '/embed']) {
    const { statusCode, headers, body } = await app.inject(path)
    expect([statusCode, headers['cache-control'], body]).toEqual([503, 'no-store', expect.stringContaining('npm run build')])
  }
  await app.close()
  directory.remove()
})

describe('headers of the running service', () => {
  let tested: TestService
  const get = (path: string) => tested.client.call('GET', path)
  beforeAll(async () => {
    tested = await startTestService({ RATE_LIMIT_PER_MINUTE: '100' })
  })
  afterAll(() => tested.stop())

  test('the page loads and calls nothing but this service, and is in no frame', async () => {
    const { headers } = await get('/')
    expect(headers.get('content-security-policy')).toBe(POLICY)
    expect(headers.get('x-frame-options')).toBe('DENY')
    expect(headers.get('referrer-policy')).toBe('no-referrer')
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('permissions-policy')).toBe('camera=(), microphone=(), geolocation=(), clipboard-write=(self)')
    expect(headers.get('strict-transport-security')).toBeNull()
  })

  test('without EMBED_ORIGINS /embed is in no frame either', async () => {
    const { headers } = await get('/embed')
    expect([headers.get('content-security-policy'), headers.get('x-frame-options')]).toEqual([POLICY, null])
  })

  test('other routes keep their policy', async () => {
    const { headers } = await get('/docs/')
    expect([headers.get('content-security-policy'), headers.get('permissions-policy')]).toEqual([expect.stringContaining("default-src 'self'"), null])
    expect(headers.get('x-frame-options')).toBe('SAMEORIGIN')
  })

  test('an unknown asset is the usual 404, and assets count against no quota', async () => {
    const { status, headers, body } = await get('/assets/nothing.js')
    expect([status, body]).toEqual([404, { success: false, code: 'NOT_FOUND', message: expect.any(String), request_id: expect.any(String) }])
    expect([headers.get('ratelimit'), headers.get('content-security-policy')]).toEqual([null, POLICY])
    expect((await get('/')).headers.get('ratelimit')).toMatch(/^"default";r=\d+/)
  })
})

test('with EMBED_ORIGINS pages of these origins alone may show /embed in a frame', async () => {
  const tested = await startTestService({ EMBED_ORIGINS: 'https://console.example.com, http://localhost:5173' })
  const { headers } = await tested.client.call('GET', '/embed')
  const ancestors = 'frame-ancestors https://console.example.com http://localhost:5173;'
  expect(headers.get('content-security-policy')).toBe(POLICY.replace("frame-ancestors 'none';", ancestors))
  expect([headers.get('x-frame-options'), headers.get('cross-origin-resource-policy')]).toEqual([null, 'cross-origin'])
  const page = await tested.client.call('GET', '/')
  expect([page.headers.get('content-security-policy'), page.headers.get('x-frame-options')]).toEqual([POLICY, 'DENY'])
  await tested.stop()
})

test('EMBED_ORIGINS takes origins only, as browsers send them', () => {
  expect(readConfig({}).EMBED_ORIGINS).toEqual([])
  for (const wrong of ['*', 'https://console.example.com/', "https://a.example; script-src 'unsafe-inline'", 'console.example.com'])
    expect(() => readConfig({ EMBED_ORIGINS: wrong }), wrong).toThrow('EMBED_ORIGINS: must be a list of origins')
})
