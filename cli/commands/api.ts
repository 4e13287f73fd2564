import { readFile } from 'node:fs/promises'
import { type CommandRegistration, withExamples } from '../command.ts'
import { connect } from '../connection/connect.ts'
import { ALL_KINDS } from '../connection/credential.ts'
import { completeFrom, ENV_FILE, type EnvFileOptions } from '../env-file.ts'
import { usageError } from '../errors.ts'
import { callForBody, METHODS, type RawRequest, requirePath } from '../raw-call.ts'
import type { Session } from '../session.ts'

export const apiCommand: CommandRegistration = (program, run) => {
  withExamples(
    program
      .command('api [method] [path]')
      .description('call any route with your credentials; without arguments: serve the API (needs KAFKA_BROKERS and CLICKHOUSE_URL)')
      .option('--data <json>', 'the body: JSON, @file, or - for stdin')
      .option('--header <name:value>', 'a header; may be given several times', (header: string, before: string[] = []) => [...before, header])
      .option('--paginate', 'follow next_cursor and print all pages as one body')
      .option(...ENV_FILE)
      .action((method: string | undefined, path: string | undefined, own: ApiOptions) =>
        run(async (session) => (method === undefined ? serve(session, own) : callApi(session, method, path, own))),
      ),
    ['meterline api GET /version', 'print the body of the answer, unchanged'],
    ['meterline api GET "/admin/v1/projects?status=active" --paginate', 'all pages as one body'],
    ['meterline api POST /admin/v1/partners --data \'{"name":"Acme"}\'', 'with a body'],
    ['meterline api POST /v1/events --data @events.ndjson --header content-type:application/x-ndjson', 'a file of events'],
    ['meterline api', 'serve the API: one of any number of processes'],
  )
}

interface ApiOptions extends EnvFileOptions {
  readonly data?: string
  readonly header?: readonly string[]
  readonly paginate?: boolean
}

async function serve({ environment }: Session, { data, header = [], paginate, ...own }: ApiOptions): Promise<void> {
  if (data !== undefined || header.length > 0 || paginate === true)
    throw usageError('--data, --header and --paginate are for a call.', 'Give its method and path: meterline api GET /version')
  await (await import('../../service/run.ts')).start(completeFrom(own, environment), 'api')
}

/** Prints the body of an answer as the service wrote it; it is held in memory, so that a broken answer prints nothing. Throws CliError. */
async function callApi(session: Session, given: string, path: string | undefined, { data, header = [], paginate = false }: ApiOptions): Promise<void> {
  const method = METHODS.find((each) => each === given.toUpperCase())
  if (method === undefined) throw usageError(`"${given}" is not a method of the API.`, `Give one of ${METHODS.join(', ')}.`)
  if (data !== undefined && method === 'GET') throw usageError('A GET request has no body.', 'Leave out --data, or use another method.')
  if (paginate && method !== 'GET') throw usageError('Only the answers of GET have pages.', 'Leave out --paginate.')
  const request: RawRequest = { method, path: requirePath(path), headers: headersOf(header), body: data === undefined ? undefined : await readBody(data) }
  const body = await callForBody(connect(session, ALL_KINDS), request, { paginate })
  const isOpenLine = process.stdout.isTTY === true && body.length > 0 && body.at(-1) !== LINE_FEED
  process.stdout.write(isOpenLine ? Buffer.concat([body, Buffer.of(LINE_FEED)]) : body)
}

const LINE_FEED = 0x0a

/** Headers that this program sets itself: a second credential beside the stored one would hide which of them was used. */
const OWN_HEADERS = ['authorization', 'x-partnership-secret', 'cookie', 'proxy-authorization']
const OF_THE_CONNECTION = ['host', 'content-length', 'transfer-encoding', 'connection', 'upgrade', 'keep-alive', 'expect', 'te', 'trailer']

function headersOf(given: readonly string[]): Record<string, string> {
  const pairs = given.map((header) => {
    const [, name = '', value = ''] = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*([\t\x20-\x7e]*)$/.exec(header) ?? []
    if (name === '') throw usageError(`--header "${header.split(':')[0]}" is not a header as name:value.`, 'Example: --header accept:application/json')
    const lower = name.toLowerCase()
    if (OWN_HEADERS.includes(lower))
      throw usageError(
        `--header ${name} is a credential, and those are not given as a header.`,
        'Choose them with --profile, METERLINE_ACCESS_TOKEN or "meterline login".',
      )
    if (OF_THE_CONNECTION.includes(lower)) throw usageError(`--header ${name} belongs to the connection, which sets it itself.`, 'Leave it out.')
    return [lower, value] as const
  })
  return Object.fromEntries(pairs)
}

async function readBody(data: string): Promise<Uint8Array> {
  if (data === '-') return readStdin()
  if (!data.startsWith('@')) return Buffer.from(data)
  const file = data.slice(1)
  try {
    return await readFile(file)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    throw usageError(`The file "${file}" of --data cannot be read (${code}).`, 'Check its path and its permissions.')
  }
}

async function readStdin(): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk as Uint8Array))
  return Buffer.concat(chunks)
}
