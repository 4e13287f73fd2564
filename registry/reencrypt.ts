import { z } from 'zod'
import { SEALED_KINDS, type SealedKind } from '../contract/reencrypt.ts'
import { defineQuery } from '../sql/query.ts'
import { queryOne } from '../sql/query-one.ts'
import type { Actor } from './audit-log.ts'
import type { Change, SealingStore } from './changes.ts'
import { writeSealedKey } from './keys/pepper.ts'
import { type MasterKeys, SealBroken, seal, sealPrefixOf, unseal } from './keys/sealing.ts'
import { privateKeyPurpose, readSigningKeys, writeSigningKeys } from './keys/signing-keys.ts'
import { apiKeyPurpose, findProjects, writeProject } from './projects/project.ts'
import { resealedDataKey } from './secrets/envelope.ts'
import { findSecrets } from './secrets/stored-secrets.ts'
import { writeSecret } from './secrets/write-secret.ts'

export type SealedCounts = Readonly<Record<SealedKind, number>>

export interface Reencrypted {
  readonly reencrypted: SealedCounts
  /** Texts that MASTER_KEY has not sealed. Not 0 when the time was up, and for texts that neither key opens. */
  readonly remaining: number
}

/** A call stops after this time; the caller repeats it until nothing remains. */
const REENCRYPT_MS_MAX = 60_000
/** Other changes of the registry wait while one batch is written. */
const BATCH_MAX = 100

/**
 * Seals with MASTER_KEY what another key sealed, in batches, so that other changes run in between. Every sealed text names its
 * key, so an interrupted call leaves exactly what the next one finds, and a repeated call finds nothing. The plain texts do
 * not change, so readers notice nothing. Throws StoreError.
 */
export async function reencryptSealed(store: SealingStore, actor: Actor, forMs = REENCRYPT_MS_MAX): Promise<Reencrypted> {
  const untilMs = performance.now() + forMs
  const run: Run = { store, countsAtStart: await countSealedByOtherKeys(store), done: perKind(() => new Set()), isNoted: false }
  let last: SealedText | undefined = BEFORE_FIRST
  while (last !== undefined && performance.now() < untilMs) {
    const after: SealedText = last
    last = await store.changes.run(actor, (change) => reencryptBatch(run, change, after))
  }
  return { reencrypted: perKind((kind) => run.done[kind].size), remaining: totalOf(await countSealedByOtherKeys(store)) }
}

/** How many texts MASTER_KEY has not sealed, whichever key has. Throws StoreError. */
export function countSealedByOtherKeys({ clickhouse, masterKeys }: Omit<SealingStore, 'changes'>): Promise<SealedCounts> {
  return queryOne(clickhouse.registry, sealedByOtherKeysCount, { prefix: sealPrefixOf(masterKeys) })
}

export function totalOf(counts: SealedCounts): number {
  return SEALED_KINDS.reduce((total, kind) => total + counts[kind], 0)
}

/** Where a sealed text is stored. */
type SealedText = z.output<typeof SealedRow>

interface Run {
  readonly store: SealingStore
  /** How many texts there were to re-encrypt at the start. */
  readonly countsAtStart: SealedCounts
  /** Ids, not counts: a batch that is decided again may already have landed, and must count once. */
  readonly done: Readonly<Record<SealedKind, Set<string>>>
  isNoted: boolean
}

/** Returns the last text of the batch, undefined when there was none. A text that neither key opens stays as it is. */
async function reencryptBatch(run: Run, change: Change, after: SealedText): Promise<SealedText | undefined> {
  const { clickhouse, masterKeys } = run.store
  const batch = await clickhouse.registry.query(sealedByOtherKeys, { prefix: sealPrefixOf(masterKeys), afterKind: after.kind, afterId: after.id })
  const writes: Write[] = []
  for (const kind of SEALED_KINDS) {
    const ids = batch.filter((each) => each.kind === kind).map(({ id }) => id)
    const resealById = ids.length === 0 ? undefined : await READ[kind](run.store, ids)
    for (const id of ids) {
      const write = undefinedIfBroken(() => resealById?.(id))
      if (write === undefined) continue
      run.done[kind].add(id)
      writes.push(write)
    }
  }
  if (writes.length === 0) return batch.at(-1)
  if (!run.isNoted) await change.note({ action: 'master-key.rewrap', subject: 'master-key', details: { ...run.countsAtStart } })
  run.isNoted = true
  const batched = new BatchedRows(change)
  for (const write of writes) await write(batched)
  await batched.send()
  return batch.at(-1)
}

/** Writes one text that was sealed again. */
type Write = (change: Change) => Promise<void>

/**
 * Each kind reads a whole batch with one query, because other changes wait meanwhile, and returns a function that seals one
 * text again. That function throws SealBroken when neither key opens the text. The row gets one more revision and differs in
 * nothing but the sealed text.
 */
const READ: Record<SealedKind, (store: SealingStore, ids: readonly string[]) => Promise<(id: string) => Write>> = {
  pepper: async ({ clickhouse, masterKeys }, names) => {
    const keys = await clickhouse.registry.query(sealedKeysByName, { names: [...names] })
    return (name) => {
      const { sealed, rewrapped } = requireStored(keys.find((each) => each.name === name))
      const key = { name, sealed: reseal(masterKeys, sealed, name), rewrapped: rewrapped + 1 }
      return (change) => writeSealedKey(change, key)
    }
  },
  project_api_keys: async (store, ids) => {
    const projects = await findProjects(store, ids)
    return (id) => {
      const project = requireStored(projects.get(id))
      const sealedApiKey = reseal(store.masterKeys, project.sealedApiKey, apiKeyPurpose(id))
      return (change) => writeProject(change, { ...project, sealedApiKey, revision: project.revision + 1 })
    }
  },
  secret_data_keys: async (store, keys) => {
    const secrets = await findSecrets(store, keys)
    return (key) => {
      const secret = requireStored(secrets.get(key))
      const sealedDataKey = resealedDataKey(store.masterKeys, secret, secret)
      return (change) => writeSecret(change, { ...secret, sealedDataKey, revision: secret.revision + 1 })
    }
  },
  signing_keys: async ({ clickhouse, masterKeys }) => {
    const keys = await readSigningKeys(clickhouse)
    return (kid) => {
      const key = requireStored(keys.find((each) => each.kid === kid))
      const sealedPrivateKey = reseal(masterKeys, key.sealedPrivateKey, privateKeyPurpose(kid))
      return (change) => writeSigningKeys(change, [{ ...key, sealedPrivateKey, revision: key.revision + 1 }])
    }
  },
}

function reseal(masterKeys: MasterKeys, sealed: string, purpose: string): string {
  return seal(masterKeys, unseal(masterKeys, sealed, purpose), purpose)
}

function requireStored<T>(found: T | undefined): T {
  if (found === undefined) throw new Error('A sealed text that the same batch has listed is no longer stored.')
  return found
}

function undefinedIfBroken<T>(open: () => T): T | undefined {
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

/** Collects the rows of a batch by table and sends each table in one insert: every insert creates a part in the store. */
class BatchedRows implements Change {
  readonly #change: Change
  readonly #tables = new Map<string, { columns: readonly string[]; rows: Parameters<Change['write']>[2][] }>()

  constructor(change: Change) {
    this.#change = change
  }

  note: Change['note'] = (noted) => this.#change.note(noted)

  write: Change['write'] = async (table, columns, rows) => {
    const batched = this.#tables.get(table)
    if (batched === undefined) this.#tables.set(table, { columns, rows: [rows] })
    else batched.rows.push(rows)
  }

  async send(): Promise<void> {
    for (const [table, { columns, rows }] of this.#tables) await this.#change.write(table, columns, (owner) => rows.map((each) => each(owner)).join(''))
  }
}

const SealedRow = z.object({ kind: z.enum(SEALED_KINDS), id: z.string() })

/** Batches are sorted by kind and id, and kinds by their names. */
const BEFORE_FIRST: SealedText = { kind: SEALED_KINDS[0], id: '' }

const NEWEST_SEALED_KEYS = 'SELECT name, sealed, rewrapped FROM sealed_keys_v1 ORDER BY rewrapped DESC, created_at, sealed LIMIT 1 BY name'

const SEALED_BY_OTHER_KEYS = `(
          SELECT 'pepper' AS kind, name AS id, sealed FROM (${NEWEST_SEALED_KEYS})
          UNION ALL SELECT 'project_api_keys', project_id, sealed_api_key FROM projects_v1 FINAL
          UNION ALL SELECT 'secret_data_keys', key, sealed_data_key FROM secrets_v1 FINAL
          UNION ALL SELECT 'signing_keys', kid, sealed_private_key FROM signing_keys_v1 FINAL
        ) WHERE NOT startsWith(sealed, {prefix: String})`

const sealedByOtherKeys = defineQuery({
  name: 'sealed_by_other_keys',
  sql: `SELECT kind, id FROM ${SEALED_BY_OTHER_KEYS} AND (kind, id) > ({afterKind: String}, {afterId: String})
        ORDER BY kind, id LIMIT ${BATCH_MAX}`,
  params: z.object({ prefix: z.string(), afterKind: z.string(), afterId: z.string() }),
  row: SealedRow,
})

const sealedByOtherKeysCount = defineQuery({
  name: 'sealed_by_other_keys_count',
  sql: `SELECT ${SEALED_KINDS.map((kind) => `countIf(kind = '${kind}') AS ${kind}`).join(', ')} FROM ${SEALED_BY_OTHER_KEYS}`,
  params: z.object({ prefix: z.string() }),
  row: z.object(perKind(() => z.coerce.number())),
})

const sealedKeysByName = defineQuery({
  name: 'sealed_keys_by_name',
  sql: `SELECT name, sealed, rewrapped FROM (${NEWEST_SEALED_KEYS}) WHERE name IN {names: Array(String)}`,
  params: z.object({ names: z.array(z.string()) }),
  row: z.object({ name: z.string(), sealed: z.string(), rewrapped: z.coerce.number() }),
})
