import fc from 'fast-check'
import type { KnownValues } from '../worlds/api-world.ts'

/** The parts of an operation of /openapi.json that requests are generated from. */
export interface Operation {
  readonly method: string
  readonly path: string
  /** Response schemas by status. */
  readonly responses: Readonly<Record<string, unknown>>
  readonly parameters?: readonly { readonly in: string; readonly name: string; readonly required?: boolean; readonly schema?: Schema }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema?: Schema }>> }
  readonly security?: readonly Readonly<Record<string, readonly string[]>>[]
}

interface Schema {
  readonly type?: string | readonly string[]
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly example?: unknown
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
}

/** A request as it is sent: the path is escaped, and the body is bytes. */
export interface StrangeRequest {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer | undefined
}

/** Requests that differ little from valid ones: most parts are valid, so that a strange part is reached and not rejected earlier. */
export function strangeRequests(operation: Operation, known: KnownValues, credentials: Readonly<Record<string, string>>): fc.Arbitrary<StrangeRequest> {
  const types = Object.keys(operation.requestBody?.content ?? {})
  return fc
    .record({
      method: fc.oneof({ weight: 12, arbitrary: fc.constant(operation.method) }, fc.constantFrom('GET', 'HEAD', 'OPTIONS', 'PUT', 'PATCH', 'DELETE', 'TRACE')),
      path: paths(operation, known),
      query: queries(operation, known),
      type: fc.oneof({ weight: 8, arbitrary: fc.constantFrom(...types, 'application/json') }, fc.constantFrom(...CONTENT_TYPES)),
      credentials: fc.oneof({ weight: 8, arbitrary: fc.constant(credentials) }, fc.constant({}), strangeCredentials(credentials)),
      more: fc.oneof({ weight: 4, arbitrary: fc.constant({}) }, fc.dictionary(fc.constantFrom(...HEADERS), headerTexts(), { maxKeys: 3 })),
    })
    .chain(({ method, path, query, type, credentials: sent, more }) =>
      bodies(operation.requestBody?.content[type]?.schema, type, known).map((body) => ({
        method,
        path: `${path}${query}`,
        headers: { ...more, ...sent, ...(type === '' ? {} : { 'content-type': type }) },
        body: method === 'GET' || method === 'HEAD' || method === 'TRACE' ? undefined : body,
      })),
    )
}

const CONTENT_TYPES = ['', 'text/xml', 'text/plain', 'application/json; charset=utf-16', 'APPLICATION/JSON', 'multipart/form-data; boundary=x', 'json;;', '/']
const HEADERS = [
  'accept',
  'accept-encoding',
  'content-encoding',
  'cookie',
  'expect',
  'if-none-match',
  'if-modified-since',
  'origin',
  'range',
  'x-forwarded-for',
  'x-request-id',
]

const STRANGE = [
  ...[
    '',
    ' ',
    '.',
    '..',
    '../../etc/passwd',
    '/',
    '//',
    '?',
    '#',
    '%',
    '%00',
    '\\',
    '\u0000',
    '\u001f',
    '\u202e',
    '\ufeff',
    '\ud800',
    '\ufdd0',
    'ǅ',
    '雪',
    '👩‍👩‍👧',
  ],
  ...["' OR 1=1 --", '{partnerId: String}', '`; DROP TABLE', '<script>', '__proto__', 'constructor', 'toString', 'null', 'undefined', 'true', '[]', '{}'],
  ...['-1', '-0', '0', '1.5', '1e400', '1e-400', 'NaN', 'Infinity', '0x10', '9007199254740993', '99999999999999999999999999999', '٣', '1_000', '+1'],
  ...['2026-02-30', '2026-13', '0000-00-00', '0001-01-01', '9999-12-31', '+275760-09-13', '-000001-01-01', '1969-12-31', '2026-01-01T00:00:00Z', '2026-W01'],
  ...['usage', 'projects', 'statements', 'all', 'a'.repeat(256), 'a'.repeat(257), 'é'.repeat(200), 'a'.repeat(4_000)],
]

function strangeTexts(): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...STRANGE) },
    fc.string({ unit: 'binary', maxLength: 30 }),
    fc.string({ unit: 'grapheme', maxLength: 300 }),
  )
}

function knownOr(values: readonly string[] | undefined, weight: number): fc.Arbitrary<string> {
  return values === undefined ? strangeTexts() : fc.oneof({ weight, arbitrary: fc.constantFrom(...values) }, strangeTexts())
}

const VALID_PATH_WEIGHT = 6
const VALID_QUERY_WEIGHT = 15

/** Mostly correct escapes, but also broken ones and other encodings of a slash or a dot. */
function escaped(texts: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const broken = fc.constantFrom('%', '%zz', '%ff', '%C0%80', '%ED%A0%80', '%2e%2e', '%2F', '%5c..%5c', '%00', ';a=b', '%25%32%46', '+', '*')
  return fc.oneof({ weight: 20, arbitrary: texts.map(percentEncoded) }, broken)
}

function percentEncoded(text: string): string {
  return [...Buffer.from(text, 'utf8')]
    .map((byte) => {
      const character = String.fromCharCode(byte)
      return /[\w.~-]/.test(character) ? character : `%${byte.toString(16).padStart(2, '0')}`
    })
    .join('')
}

function paths({ path }: Operation, known: KnownValues): fc.Arbitrary<string> {
  const segments = path.split('/').map((segment) => {
    const name = /^\{(.+)\}$/.exec(segment)?.[1]
    return name === undefined ? fc.constant(segment) : escaped(knownOr(known[`path.${name}`], VALID_PATH_WEIGHT))
  })
  const whole = fc.tuple(...segments).map((parts) => parts.join('/'))
  const longer = fc.tuple(whole, escaped(strangeTexts())).map(([before, after]) => `${before}/${after}`)
  return fc.oneof({ weight: 15, arbitrary: whole }, longer)
}

/** A parameter may appear twice, or be unknown to the operation. */
function queries({ parameters = [] }: Operation, known: KnownValues): fc.Arbitrary<string> {
  const valid = parameters
    .filter((parameter) => parameter.in === 'query')
    .map(({ name, required, schema }) => {
      const pair = escaped(knownOr(validTexts(known[`query.${name}`], schema), VALID_QUERY_WEIGHT)).map((value) => `${percentEncoded(name)}=${value}`)
      return required === true ? fc.oneof({ weight: 20, arbitrary: pair }, fc.constant('')) : fc.oneof(pair, fc.constant(''))
    })
  const names = fc.constantFrom(...parameters.map(({ name }) => name), 'limit', 'a[b]', '__proto__', '')
  const invalid = fc.array(
    fc.tuple(names, escaped(strangeTexts())).map(([name, value]) => `${percentEncoded(name)}=${value}`),
    { minLength: 1, maxLength: 3 },
  )
  const pairs = fc.tuple(fc.tuple(...valid), fc.oneof({ weight: 7, arbitrary: fc.constant<string[]>([]) }, invalid)).map((parts) => parts.flat())
  return pairs.map((list) => `?${list.filter((pair) => pair !== '').join('&')}`.replace(/^\?$/, ''))
}

function headerTexts(): fc.Arbitrary<string> {
  return strangeTexts().map((text) =>
    Buffer.from(text, 'utf8')
      .toString('latin1')
      .replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, '')
      .trim(),
  )
}

function strangeCredentials(credentials: Readonly<Record<string, string>>): fc.Arbitrary<Record<string, string>> {
  const names = [...Object.keys(credentials), 'authorization', 'x-partnership-secret']
  return fc
    .tuple(fc.constantFrom(...names), fc.constantFrom('', 'Bearer ', 'Basic '), headerTexts())
    .map(([name, scheme, text]) => ({ [name]: `${scheme}${text}` }))
}

function bodies(schema: Schema | undefined, type: string, known: KnownValues): fc.Arbitrary<Buffer | undefined> {
  const json = schema === undefined ? strangeJson() : jsonOf(schema, '', known)
  const texts = fc.oneof(
    { weight: 12, arbitrary: json },
    { weight: 2, arbitrary: fc.tuple(json, fc.nat({ max: 99 })).map(([text, percent]) => text.slice(0, Math.floor((text.length * percent) / 100))) },
    { weight: 2, arbitrary: strangeJson() },
    { weight: 1, arbitrary: fc.constantFrom('', '{"a":1,"a":2}', '{"__proto__":{"a":1}}', '{"constructor":{"prototype":{}}}', '\ufeff{}', '"'.repeat(99)) },
    { weight: 1, arbitrary: fc.tuple(fc.constantFrom('[', '{"a":'), fc.constantFrom(100, 20_000)).map(([open, times]) => open.repeat(times)) },
    { weight: 1, arbitrary: fc.constantFrom(100, 20_000).map((times) => `${'['.repeat(times)}${']'.repeat(times)}`) },
  )
  const lines = type === 'application/x-ndjson' ? fc.array(jsonLine(), { maxLength: 4 }).map((list) => list.join('\n')) : texts
  return fc.oneof(
    { weight: 20, arbitrary: lines.map((text) => Buffer.from(text, 'utf8')) },
    { weight: 1, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)) },
    { weight: 1, arbitrary: fc.constantFrom(Buffer.from('"\xff\xfe"', 'latin1'), Buffer.alloc(1_200_000, '"')) },
  )
}

function jsonLine(): fc.Arbitrary<string> {
  const event = { event_id: 'n', project_id: 'shown', metric: 'ai_tokens', value: 1, timestamp: '2026-01-03T10:00:00Z' }
  return fc.oneof(fc.constantFrom(JSON.stringify(event), '', '{}', '{'), strangeJson())
}

/** JSON values as text, because some numbers cannot be represented by any parsed value. */
function strangeJson(): fc.Arbitrary<string> {
  const { value } = fc.letrec<{ value: string }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      strangeTexts().map((text) => JSON.stringify(text)),
      fc.constantFrom('null', 'true', '0', '-1', '-0', '1.5', '1e400', '-1e-400', '9007199254740993', `${'9'.repeat(400)}`, '{}', '[]', 'NaN', '01'),
      fc.array(tie('value'), { maxLength: 4 }).map((items) => `[${items.join(',')}]`),
      fc
        .array(fc.tuple(strangeTexts(), tie('value')), { maxLength: 4 })
        .map((pairs) => `{${pairs.map(([key, inner]) => `${JSON.stringify(key)}:${inner}`).join(',')}}`),
    ),
  }))
  return value
}

function jsonOf(schema: Schema, name: string, known: KnownValues): fc.Arbitrary<string> {
  const { anyOf, properties, items } = schema
  if (anyOf !== undefined) return fc.oneof(...anyOf.map((one) => jsonOf(one, name, known)))
  if (items !== undefined) return fc.array(jsonOf(items, name, known), { maxLength: 3 }).map((list) => `[${list.join(',')}]`)
  if (properties === undefined) return validJson(schema, known[`body.${name}`])
  const fields = Object.entries(properties).map(([key, inner]) => {
    const text = fc.oneof({ weight: 20, arbitrary: jsonOf(inner, key, known) }, strangeJson()).map((value) => `${JSON.stringify(key)}:${value}`)
    return fc.oneof(
      { weight: 20, arbitrary: text },
      { weight: schema.required?.includes(key) === true ? 1 : 20, arbitrary: fc.constant('') },
      fc.tuple(text, text).map((twice) => twice.join(',')),
    )
  })
  const unknown = fc.oneof(
    { weight: 9, arbitrary: fc.constant('') },
    fc.tuple(strangeTexts(), strangeJson()).map(([key, value]) => `${JSON.stringify(key)}:${value}`),
  )
  return fc.tuple(...fields, unknown).map((parts) => `{${parts.filter((part) => part !== '').join(',')}}`)
}

function validJson(schema: Schema, values: readonly string[] | undefined): fc.Arbitrary<string> {
  const texts = validTexts(values, schema)
  if (texts !== undefined) return fc.constantFrom(...texts).map((text) => JSON.stringify(text))
  if (schema.type === 'boolean') return fc.constantFrom('true', 'false')
  if (schema.type === 'integer' || schema.type === 'number') return fc.integer({ min: -1, max: 1_000 }).map(String)
  return schema.type === 'null' ? fc.constant('null') : strangeTexts().map((text) => JSON.stringify(text))
}

function validTexts(values: readonly string[] | undefined, { const: only, enum: some, example }: Schema = {}): readonly string[] | undefined {
  const valid = values ?? [only, ...(some ?? []), example].filter((value) => typeof value === 'string')
  return valid.length === 0 ? undefined : valid
}
