import type { ScheduleDefinition } from '../../contract/schedules.ts'
import { forbiddenLiteral, type Networks, parseCallableUrl } from '../../outgoing/public-address.ts'
import { nameTarget } from '../deliveries/object-url.ts'
import { isSafePath } from '../deliveries/safe-folder.ts'
import { SPOOL_PREFIX } from '../deliveries/spools.ts'
import { parseTiming } from './due-times.ts'
import { secretKeysIn, TEMPLATE_START } from './secret-templates.ts'

export interface CheckOptions {
  /** Networks that may be called although they are not public. */
  readonly allowed: Networks
  /** The directory of exports; undefined if folders are not allowed. */
  readonly exportDir: string | undefined
}

export interface DefinitionProblem {
  /** The field of the request, such as `export.to.url`. */
  readonly field: string
  readonly problem: string
}

/** The first mistake in a definition that can be found without the store; undefined if there is none. */
export function checkDefinition(definition: ScheduleDefinition, options: CheckOptions): DefinitionProblem | undefined {
  const timing = parseTiming(definition)
  if (timing.status === 'invalid') return timing
  return checkHeaders(definition) ?? (definition.export === null ? checkCall(definition, options) : checkExport(definition, options))
}

/** The keys of the secrets that the headers refer to. */
export function secretKeysOf({ headers }: ScheduleDefinition): string[] {
  return [...new Set(Object.values(headers).flatMap((value) => secretKeysIn(value) ?? []))]
}

function checkCall({ functionUrl, httpMethod, body }: ScheduleDefinition, options: CheckOptions): DefinitionProblem | undefined {
  if (functionUrl === null) return { field: 'functionUrl', problem: 'is required, unless the schedule has an export' }
  if (httpMethod === 'GET' && body !== null) return { field: 'body', problem: 'is not sent with GET; leave it out, or use another httpMethod' }
  return checkUrl('functionUrl', functionUrl, options)
}

function checkExport({ export: action, functionUrl, body }: ScheduleDefinition, options: CheckOptions): DefinitionProblem | undefined {
  if (action === null) return undefined
  if (functionUrl !== null) return { field: 'functionUrl', problem: 'is not called by a schedule with an export; leave one of them out' }
  if (body !== null) return { field: 'body', problem: 'is not sent by a schedule with an export; leave it out' }
  if (action.what === 'focus' && !FOCUS_FORMATS.includes(action.format)) return { field: 'export.format', problem: 'must be csv, ndjson or parquet for focus' }
  if (action.what !== 'focus' && action.focus !== undefined) return { field: 'export.focus', problem: 'is for focus only; leave it out' }
  if (action.what === 'focus' && action.include !== undefined)
    return { field: 'export.include', problem: 'is not for focus; set quantity to byte_days instead' }
  if (action.what !== 'focus' && action.quantity !== undefined)
    return { field: 'export.quantity', problem: 'is for focus only; set include to byte_days instead' }
  if (action.period === 'yesterday' && action.what !== 'usage') return { field: 'export.period', problem: 'yesterday is for usage only; others have months' }
  if ('url' in action.to) return checkObjectUrl(action.to.url, options)
  if (options.exportDir === undefined) return { field: 'export.to.folder', problem: 'is not allowed, because EXPORT_DIR is not set; use a url' }
  return checkFolder(action.to.folder)
}

function checkFolder(folder: string): DefinitionProblem | undefined {
  const field = 'export.to.folder'
  if (!isSafePath(folder)) return { field, problem: 'must be a path inside EXPORT_DIR, relative to it, without ..' }
  if (folder.startsWith(SPOOL_PREFIX)) return { field, problem: `must not begin with ${SPOOL_PREFIX}, as temporary files do, which are deleted after a day` }
  return undefined
}

function checkObjectUrl(url: string, options: CheckOptions): DefinitionProblem | undefined {
  const field = 'export.to.url'
  const target = nameTarget(url, 'name')
  if (url.includes('#')) return { field, problem: 'must not have a fragment (#…), which is not sent; write {name} in the path or the query' }
  if (target?.protocol !== 'https:') return { field, problem: 'must be an https URL without a user or password in it, and without {name} in its host' }
  return checkUrl(field, target.href, options)
}

function checkUrl(field: string, text: string, { allowed }: CheckOptions): DefinitionProblem | undefined {
  if (text.includes(TEMPLATE_START)) return { field, problem: 'must not contain a template: secrets are for headers only' }
  const url = parseCallableUrl(text)
  if (url === undefined) return { field, problem: 'must be an http or https URL without a user or password in it' }
  const forbidden = forbiddenLiteral(url, allowed)
  return forbidden === undefined ? undefined : { field, problem: `leads to ${forbidden}, which is neither public nor in OUTGOING_ALLOW` }
}

function checkHeaders({ headers }: ScheduleDefinition): DefinitionProblem | undefined {
  const names = new Set<string>()
  for (const [name, value] of Object.entries(headers)) {
    const field = `headers.${name}`
    const lower = name.toLowerCase()
    if (!HEADER_NAME.test(name)) return { field, problem: 'is not the name of a header' }
    if (OWN_HEADERS.includes(lower)) return { field, problem: 'is set by the service and cannot be given' }
    if (names.has(lower)) return { field, problem: 'is given twice' }
    names.add(lower)
    if (!isHeaderValue(value)) return { field, problem: 'may only contain printable ASCII characters' }
    if (secretKeysIn(value) === undefined) return { field, problem: `has a template that is not ${TEMPLATE_START}secrets.KEY}}` }
  }
  return undefined
}

/** Whether a header may have this value. */
export function isHeaderValue(text: string): boolean {
  return HEADER_VALUE.test(text)
}

const FOCUS_FORMATS = ['csv', 'ndjson', 'parquet']
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/
const HEADER_VALUE = /^[\t\x20-\x7e]*$/
/** What describes the message or the connection, and the ids of a run. */
const OWN_HEADERS = [
  ...['host', 'content-length', 'transfer-encoding', 'connection', 'keep-alive', 'upgrade', 'te', 'trailer', 'expect', 'proxy-connection'],
  ...['webhook-id', 'idempotency-key'],
]
