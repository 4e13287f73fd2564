/**
 * Writes the secrets of docker-compose.yml as files, one directory for each process, with only what that process uses. It runs before
 * every start. A value that is given as a variable is used from then on; one that was never given is created once and kept.
 *
 *   node make-secrets.mjs <directory>
 */
import { createHash, randomBytes } from 'node:crypto'
import { chownSync, closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'

const [root = '/secrets'] = process.argv.slice(2)

/** The users inside the images of Meterline and of ClickHouse. */
const METERLINE = 1000
const CLICKHOUSE = 101

/** The database user of each part, in docs/operating/clickhouse-users.xml. */
const DATABASE_USERS = { migrate: 'meterline', ingest: 'meterline_ingest', aggregate: 'meterline_aggregate', api: 'meterline_api' }

/** Those without `create` are optional: they exist while their variable is set. */
const SECRETS = [
  { name: 'admin-token', variable: 'ADMIN_TOKEN', parts: ['api'], create: () => randomBytes(32).toString('hex') },
  { name: 'master-key', variable: 'MASTER_KEY', parts: ['aggregate', 'api'], create: () => randomBytes(32).toString('base64') },
  { name: 'master-key-previous', variable: 'MASTER_KEY_PREVIOUS', parts: ['aggregate', 'api'] },
  { name: 'provisioner-secret', variable: 'PROVISIONER_SECRET', parts: ['api'] },
  { name: 'kafka-password', variable: 'KAFKA_PASSWORD', parts: ['ingest', 'api'] },
  { name: 'otlp-headers', variable: 'OTEL_EXPORTER_OTLP_HEADERS', parts: Object.keys(DATABASE_USERS) },
]

for (const { name, variable, parts, create } of SECRETS) {
  const text = keep(name, process.env[variable], create)
  for (const part of parts) put(part, name, text, METERLINE)
}
const hashes = Object.entries(DATABASE_USERS).map(([part, user]) => {
  const password = keep(`clickhouse-password-${part}`, undefined, () => randomBytes(24).toString('hex'))
  put(part, 'clickhouse-password', password, METERLINE)
  return `  <${user}>${createHash('sha256').update(password).digest('hex')}</${user}>`
})
// With which shards read each other; with one server nothing uses it.
const ofShards = keep('clickhouse-shards', undefined, () => randomBytes(24).toString('hex'))
const included = [...hashes, `  <meterline_shards>${ofShards}</meterline_shards>`]
put('clickhouse', 'clickhouse.xml', `<clickhouse>\n${included.join('\n')}\n</clickhouse>`, CLICKHOUSE)

/** The value of a secret; it is stored before any process gets it, because what a lost MASTER_KEY has sealed stays sealed. */
function keep(name, given, create) {
  const path = join(root, 'store', name)
  if (given === undefined || given === '') {
    if (create === undefined) return undefined
    if (existsSync(path)) return readFileSync(path, 'utf8').trim()
  }
  const text = given || create()
  write(path, text)
  return text
}

/** Undefined removes the file. */
function put(part, name, text, owner) {
  const path = join(root, part, name)
  if (text === undefined) rmSync(path, { force: true })
  else write(path, text, owner)
}

/** Whole or not at all, also after a crash. Other users cannot read it at any time. */
function write(path, text, owner) {
  mkdirSync(join(path, '..'), { recursive: true })
  const unfinished = `${path}.new`
  rmSync(unfinished, { force: true })
  const file = openSync(unfinished, 'wx', 0o400)
  writeSync(file, `${text}\n`)
  fsyncSync(file)
  closeSync(file)
  if (owner !== undefined && process.getuid?.() === 0) chownSync(unfinished, owner, owner)
  renameSync(unfinished, path)
}
