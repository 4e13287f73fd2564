import { type Dirent, existsSync, readdirSync, readFileSync } from 'node:fs'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { EVERYONE } from '../auth/access.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/errors.ts'
import { type Coding, chooseCoding, vary } from '../http/compress-answers.ts'
import { weakEtagOf, withEtag } from '../http/etag.ts'

/**
 * The dashboard: a page for people at `/`, and at `/embed` the same page for the frames of other sites. All files are read once,
 * so that no path of a request ever touches the file system.
 */
export function serveDashboard(app: FastifyInstance, { embedOrigins }: Pick<ApiContext, 'embedOrigins'>, folder: URL = builtFolder()): void {
  const files = readDashboard(folder)
  const ownHeaders = headersOf([])
  const page = (headers: Record<string, string>) => async (request: FastifyRequest, reply: FastifyReply) => sendPage(files, request, reply.headers(headers))
  app.get('/', OPTIONS, page({ ...ownHeaders, 'x-frame-options': 'DENY' }))
  app.get('/embed', EMBED_OPTIONS, page(headersOf(embedOrigins)))
  app.get<{ Params: { name: string } }>('/assets/:name', ASSET_OPTIONS, async (request, reply) => {
    reply.headers({ ...ownHeaders, 'x-frame-options': 'DENY' })
    const asset = files?.assets.get(request.params.name)
    if (asset === undefined) throw new ApiError('NOT_FOUND')
    return sendFile(asset, request, reply.header('cache-control', 'public, max-age=31536000, immutable'))
  })
}

/** Helmet writes its policy without the blanks, and would allow frames of the same origin; both are written here instead. */
const OWN_HELMET = { contentSecurityPolicy: false, xFrameOptions: false } as const
const OPTIONS = { config: { access: EVERYONE }, schema: { hide: true }, helmet: OWN_HELMET } as const
/** A site that isolates itself (COEP) may show only frames that allow it; who may is decided by frame-ancestors. */
const EMBED_OPTIONS = { ...OPTIONS, helmet: { ...OWN_HELMET, crossOriginResourcePolicy: { policy: 'cross-origin' } } } as const
/** The files of a page are many, and cost nothing: a page that is opened often must not use up the quota of its own calls. */
const ASSET_OPTIONS = { ...OPTIONS, config: { access: EVERYONE, limit: 'none' } } as const

/** The same folder for the source and for the built chunks. */
function builtFolder(): URL {
  return new URL('../../dist/dashboard/', import.meta.url)
}

interface Dashboard {
  readonly index: PreparedFile
  /** By name. */
  readonly assets: ReadonlyMap<string, PreparedFile>
}

interface PreparedFile {
  readonly type: string
  readonly bytes: Buffer
  readonly etag: string
  /** The bytes in each coding in which the build has written them, the preferred one first. */
  readonly compressed: ReadonlyMap<Coding, Buffer>
}

const ENDINGS: readonly (readonly [Coding, string])[] = [
  ['br', '.br'],
  ['gzip', '.gz'],
]

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
}

/** Undefined if the dashboard is not built. */
function readDashboard(folder: URL): Dashboard | undefined {
  const index = new URL('index.html', folder)
  if (!existsSync(index)) return undefined
  const assets = new URL('assets/', folder)
  const names = existsSync(assets) ? readdirSync(assets, { withFileTypes: true }).filter(isAsset) : []
  return { index: prepare(index), assets: new Map(names.map(({ name }) => [name, prepare(new URL(encodeURIComponent(name), assets))])) }
}

function isAsset(entry: Dirent): boolean {
  return entry.isFile() && !ENDINGS.some(([, ending]) => entry.name.endsWith(ending))
}

function prepare(file: URL): PreparedFile {
  const bytes = readFileSync(file)
  const compressed = ENDINGS.map(([coding, ending]) => [coding, new URL(`${file.href}${ending}`)] as const).filter(([, path]) => existsSync(path))
  return {
    type: TYPES[file.pathname.split('.').at(-1) ?? ''] ?? 'application/octet-stream',
    bytes,
    etag: weakEtagOf(bytes.toString('base64'), false),
    compressed: new Map(compressed.map(([coding, path]) => [coding, readFileSync(path)])),
  }
}

/** The page names the assets of its build, so a browser asks each time whether it is still the current one. */
function sendPage(files: Dashboard | undefined, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (files === undefined) return reply.code(503).header('cache-control', 'no-store').type('text/html; charset=utf-8').send(NOT_BUILT)
  return sendFile(files.index, request, reply.header('cache-control', 'no-cache'))
}

function sendFile({ type, bytes, etag, compressed }: PreparedFile, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  vary(reply.type(type))
  const coding = chooseCoding(request.headers['accept-encoding'], [...compressed.keys()])
  const payload = withEtag(request, reply, { payload: coding === undefined ? bytes : compressed.get(coding), etag })
  if (coding !== undefined && reply.statusCode === 200) reply.header('content-encoding', coding)
  // Fastify would write null as JSON.
  return reply.send(payload ?? undefined)
}

/** `embedOrigins` may show the page in a frame; without any, no site may. */
function headersOf(embedOrigins: readonly string[]): Record<string, string> {
  const ancestors = embedOrigins.length === 0 ? "'none'" : embedOrigins.join(' ')
  return {
    'content-security-policy': `default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors ${ancestors}; require-trusted-types-for 'script'`,
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'permissions-policy': 'camera=(), microphone=(), geolocation=(), clipboard-write=(self)',
  }
}

const NOT_BUILT = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Meterline</title>
<h1>Meterline</h1>
<p>The service runs, but its dashboard is not built. Run <code>npm run build</code>, then start the service again.</p>
<p>The API is described at <a href="/docs">/docs</a>.</p>
</html>
`
