import { z } from 'zod'
import { defineQuery } from '../sql/query.ts'
import { queryOne } from '../sql/query-one.ts'
import { row } from '../sql/tab-separated.ts'
import type { Actor } from './audit-log.ts'
import type { Change, RegistryStore } from './changes.ts'
import { type MasterKeys, SealBroken, seal, sealMarkOf, unseal } from './keys/sealing.ts'
import { privateKeyPurpose, readSigningKeys, writeSigningKeys } from './keys/signing-keys.ts'
import { apiKeyPurpose, findProjects, writeProject } from './projects/project.ts'
import { resealedDataKey } from './secrets/envelope.ts'
import { findSecrets, writeSecret } from './secrets/stored-secrets.ts'

/** Everything that MASTER_KEY seals. Not the values of secrets: their data keys. In the order of their names. */
export const SEALED_KINDS = ['pepper', 'project_api_keys', 'secret_data_keys', 'signing_keys'] as const
export type SealedKind = (typeof SEALED_KINDS)[number]
export type SealedCounts = Readonly<Record<SealedKind, number>>

/** What a function needs that seals again what is stored. */
export interface SealedStore extends RegistryStore {
  readonly masterKeys: MasterKeys
}

export interface Rewrapped {
  readonly rewrapped: SealedCounts
  /** What MASTER_KEY has not sealed: more than none when the time was over, or where no key opens it. */
  readonly left: number
}

/** A call goes on for so long; whoever has more asks again. */
const REWRAP_MS_MAX = 60_000
/** Other changes of the registry wait for one batch. */
const BATCH_MAX = 100

/**
 * Seals with MASTER_KEY what another key sealed, in batches between which other changes come. Each text says which key sealed
 * it, so that a call that was interrupted leaves what the next one finds, and one that is repeated finds nothing. What is
 * sealed stays what it is, and nobody sees a change of it. Throws StoreError.
 */
export async function rewrapSealed(registry: SealedStore, actor: Actor, forMs = REWRAP_MS_MAX): Promise<Rewrapped> {
  const untilMs = performance.now() + forMs
  const call: Call = { registry, asked: await countSealedOtherwise(registry), done: perKind(() => new Set()), noted: false }
  let last: Sealed | undefined = BEFORE_ALL
  while (last !== undefined && performance.now() < untilMs) {
    const after: Sealed = last
    last = await registry.changes.run(actor, (change) => rewrapBatch(call, change, after))
  }
  return { rewrapped: perKind((kind) => call.done[kind].size), left: totalOf(await countSealedOtherwise(registry)) }
}

/** What MASTER_KEY has not sealed, whatever else has. Throws StoreError. */
export async function countSealedOtherwise({ clickhouse, masterKeys }: Omit<SealedStore, 'changes'>): Promise<SealedCounts> {
  const counts = await queryOne(clickhouse.registry, countOfSealedOtherwise, { mark: sealMarkOf(masterKeys) })
  return counts
}

export function totalOf(counts: SealedCounts): number {
  return SEALED_KINDS.reduce((total, kind) => total + counts[kind], 0)
}

/** One thing that is sealed. */
type Sealed = z.output<typeof SealedRow>

interface Call {
  readonly registry: SealedStore
  readonly asked: SealedCounts
  /** A batch that is run again may have landed: what it did counts once. */
  readonly done: Readonly<Record<SealedKind, Set<string>>>
  noted: boolean
}

/** Answers the last one it looked at, undefined when there was none. What no key opens stays as it is. */
async function rewrapBatch(call: Call, change: Change, after: Sealed): Promise<Sealed | undefined> {
  const { clickhouse, masterKeys } = call.registry
  const batch = await clickhouse.registry.query(sealedOtherwise, { mark: sealMarkOf(masterKeys), afterKind: after.kind, afterId: after.id })
  const writes: Write[] = []
  for (const kind of SEALED_KINDS) {
    const ids = batch.filter((each) => each.kind === kind).map(({ id }) => id)
    const sealAgain = ids.length === 0 ? undefined : await READ[kind](call.registry, ids)
    for (const id of ids) {
      const write = unlessBroken(() => sealAgain?.(id))
      if (write === undefined) continue
      call.done[kind].add(id)
      writes.push(write)
    }
  }
  if (writes.length === 0) return batch.at(-1)
  if (!call.noted) await change.note({ action: 'master-key.rewrap', subject: 'master-key', details: { ...call.asked } })
  call.noted = true
  const gathered = new GatheredRows(change)
  for (const write of writes) await write(gathered)
  await gathered.send()
  return batch.at(-1)
}

/** Writes one thing that has been sealed anew. */
type Write = (change: Change) => Promise<void>

/**
 * Each reads all of a batch at once, as other changes wait meanwhile, and answers what seals one of it again: that throws
 * SealBroken where neither key opens what there is. A revision more is a row more, and no change of what it says.
 */
const READ: Record<SealedKind, (registry: SealedStore, ids: readonly string[]) => Promise<(id: string) => Write>> = {
  // Without a fence: whichever row is read, it holds the same.
  pepper: async ({ clickhouse, masterKeys }, names) => {
    const keys = await clickhouse.registry.query(sealedKeysByName, { names: [...names] })
    return (name) => {
      const { sealed, rewrapped } = stored(keys.find((each) => each.name === name))
      const text = row([name, reseal(masterKeys, sealed, name), rewrapped + 1])
      return () => clickhouse.registry.insert({ table: 'sealed_keys_v1', columns: ['name', 'sealed', 'rewrapped'], text })
    }
  },
  project_api_keys: async (registry, ids) => {
    const projects = await findProjects(registry, ids)
    return (id) => {
      const project = stored(projects.get(id))
      const sealedApiKey = reseal(registry.masterKeys, project.sealedApiKey, apiKeyPurpose(id))
      return (change) => writeProject(change, { ...project, sealedApiKey, revision: project.revision + 1 })
    }
  },
  secret_data_keys: async (registry, keys) => {
    const secrets = await findSecrets(registry, keys)
    return (key) => {
      const secret = stored(secrets.get(key))
      const sealedDataKey = resealedDataKey(registry.masterKeys, secret, secret)
      return (change) => writeSecret(change, { ...secret, sealedDataKey, revision: secret.revision + 1 })
    }
  },
  signing_keys: async ({ clickhouse, masterKeys }) => {
    const keys = await readSigningKeys(clickhouse)
    return (kid) => {
      const key = stored(keys.find((each) => each.kid === kid))
      const sealedPrivateKey = reseal(masterKeys, key.sealedPrivateKey, privateKeyPurpose(kid))
      return (change) => writeSigningKeys(change, [{ ...key, sealedPrivateKey, revision: key.revision + 1 }])
    }
  },
}

function reseal(masterKeys: MasterKeys, sealed: string, purpose: string): string {
  return seal(masterKeys, unseal(masterKeys, sealed, purpose), purpose)
}

function stored<T>(found: T | undefined): T {
  if (found === undefined) throw new Error('What was sealed a moment ago is not stored any more.')
  return found
}

function unlessBroken<T>(open: () => T): T | undefined {
  try {
    return open()
  } catch (thrown) {
    if (thrown instanceof SealBroken) return undefined
    throw thrown
  }
}

function perKind<T>(make: (kind: SealedKind) => T): Record<SealedKind, T> {
  return Object.fromEntries(SEALED_KINDS.map((kind) => [kind, make(kind)])) as Record<SealedKind, T>
}

/** Collects the rows of a batch by table: a part in the store for each of them would be too many. */
class GatheredRows implements Change {
  readonly #change: Change
  readonly #tables = new Map<string, { columns: readonly string[]; rows: Parameters<Change['write']>[2][] }>()

  constructor(change: Change) {
    this.#change = change
  }

  note: Change['note'] = (noted) => this.#change.note(noted)

  write: Change['write'] = async (table, columns, rows) => {
    const gathered = this.#tables.get(table)
    if (gathered === undefined) this.#tables.set(table, { columns, rows: [rows] })
    else gathered.rows.push(rows)
  }

  async send(): Promise<void> {
    for (const [table, { columns, rows }] of this.#tables) await this.#change.write(table, columns, (owner) => rows.map((each) => each(owner)).join(''))
  }
}

const SealedRow = z.object({ kind: z.enum(SEALED_KINDS), id: z.string() })

/** Kinds follow each other as their names do. */
const BEFORE_ALL: Sealed = { kind: SEALED_KINDS[0], id: '' }

const NEWEST_SEALED_KEYS = 'SELECT name, sealed, rewrapped FROM sealed_keys_v1 ORDER BY rewrapped DESC, created_at, sealed LIMIT 1 BY name'

const SEALED_OTHERWISE = `(
          SELECT 'pepper' AS kind, name AS id, sealed FROM (${NEWEST_SEALED_KEYS})
          UNION ALL SELECT 'project_api_keys', project_id, sealed_api_key FROM projects_v1 FINAL
          UNION ALL SELECT 'secret_data_keys', key, sealed_data_key FROM secrets_v1 FINAL
          UNION ALL SELECT 'signing_keys', kid, sealed_private_key FROM signing_keys_v1 FINAL
        ) WHERE NOT startsWith(sealed, {mark: String})`

const sealedOtherwise = defineQuery({
  name: 'sealed_otherwise',
  sql: `SELECT kind, id FROM ${SEALED_OTHERWISE} AND (kind, id) > ({afterKind: String}, {afterId: String})
        ORDER BY kind, id LIMIT ${BATCH_MAX}`,
  params: z.object({ mark: z.string(), afterKind: z.string(), afterId: z.string() }),
  row: SealedRow,
})

const countOfSealedOtherwise = defineQuery({
  name: 'count_of_sealed_otherwise',
  sql: `SELECT ${SEALED_KINDS.map((kind) => `countIf(kind = '${kind}') AS ${kind}`).join(', ')} FROM ${SEALED_OTHERWISE}`,
  params: z.object({ mark: z.string() }),
  row: z.object(perKind(() => z.coerce.number())),
})

const sealedKeysByName = defineQuery({
  name: 'sealed_keys_by_name',
  sql: `SELECT name, sealed, rewrapped FROM (${NEWEST_SEALED_KEYS}) WHERE name IN {names: Array(String)}`,
  params: z.object({ names: z.array(z.string()) }),
  row: z.object({ name: z.string(), sealed: z.string(), rewrapped: z.coerce.number() }),
})
