import type { AnswerOf } from '../../contract/operation.ts'
import type { LIST_SERVICE_LOGS } from '../../contract/service-logs.ts'
import { formatTimestamp } from '../../metering/timestamp.ts'
import type { KeptLine } from './recent-logs.ts'

type VisibleLine = AnswerOf<typeof LIST_SERVICE_LOGS>['logs'][number]
type Fields = VisibleLine['fields']
type Value = Fields[string]

/** A field that is not listed is not shown: it may hold what only this machine may see, such as an error with a query in it. */
const REQUEST = ['method', 'route', 'status', 'ms', 'requestId', 'actor', 'code', 'reason']
const SUBJECT = ['partner', 'project', 'month', 'partnerId', 'projectId', 'log', 'topic', 'partition', 'partitions', 'incarnation', 'incident', 'kid', 'key']
const AUTOMATION = ['scheduleId', 'dueAt', 'webhook', 'message', 'outcome', 'httpStatus', 'days']
const AMOUNTS = ['events', 'lines', 'entries', 'keys', 'months', 'indexed', 'missing', 'spans', 'failures', 'differences', 'first', 'through', 'next']
const AUDITED = ['usage_date', 'accepted_events', 'raw_events', 'rollup_events', 'partnership_events']
const PROCESS = [
  'part',
  'engine',
  'version',
  'commit',
  'signal',
  'work',
  'migrations',
  'retryAfterMs',
  'waitMsMax',
  'graceHours',
  'signsFrom',
  'sha256',
  'head',
]
const VISIBLE: ReadonlySet<string> = new Set([...REQUEST, ...SUBJECT, ...AMOUNTS, ...AUTOMATION, ...AUDITED, ...PROCESS])

const TEXT_CHARACTERS_MAX = 1_000
const VALUES_MAX = 20
const HIDDEN = '[hidden]'

/** What looks like a credential, wherever it is: of partners and emitters, a JWT, a header, the user of a URL. */
const CREDENTIALS: readonly RegExp[] = [/\bml[a-z]_[\w-]+/g, /\beyJ[\w-]+\.[\w-]+\.[\w-]*/g, /\bBearer\s+\S+/gi, /(?<=:\/\/)[^\s/@]+(?=@)/g]

/** A line as operators may read it, without `secrets` and without anything that looks like a credential. */
export function visibleLine({ timeMs, level, source, text }: KeptLine, secrets: readonly string[]): VisibleLine {
  const { msg, err, ids, ...logged } = parse(text)
  const hide = (value: string) => hideSecrets(value, secrets)
  const fields = Object.entries({ ...logged, ...(isObject(ids) ? ids : {}) })
    .filter(([name]) => VISIBLE.has(name))
    .flatMap(([name, value]): [string, Value][] => {
      const shown = visibleValue(value, hide)
      return shown === undefined ? [] : [[name, shown]]
    })
  const message = typeof msg === 'string' ? hide(msg) : ''
  return { time: formatTimestamp(timeMs), level, source, message, fields: { ...Object.fromEntries(fields), ...errorField(err, hide) } }
}

function errorField(err: unknown, hide: (text: string) => string): Fields {
  if (!isObject(err)) return {}
  const { type, code } = err
  const parts = [type, code].filter((part) => typeof part === 'string' || typeof part === 'number')
  return parts.length === 0 ? {} : { error: hide(parts.join(' ')) }
}

function visibleValue(value: unknown, hide: (text: string) => string): Value | undefined {
  if (Array.isArray(value)) {
    const simple = value.slice(0, VALUES_MAX).map((each) => simpleValue(each, hide))
    return simple.every((each) => each !== undefined) ? simple : undefined
  }
  return simpleValue(value, hide)
}

function simpleValue(value: unknown, hide: (text: string) => string): string | number | boolean | undefined {
  if (typeof value === 'string') return hide(value)
  return typeof value === 'number' || typeof value === 'boolean' ? value : undefined
}

function hideSecrets(text: string, secrets: readonly string[]): string {
  const withoutOwn = secrets.reduce((hidden, secret) => hidden.replaceAll(secret, HIDDEN), text)
  return CREDENTIALS.reduce((hidden, pattern) => hidden.replaceAll(pattern, HIDDEN), withoutOwn).slice(0, TEXT_CHARACTERS_MAX)
}

function parse(text: string): Record<string, unknown> {
  const parsed: unknown = JSON.parse(text)
  return isObject(parsed) ? parsed : {}
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
