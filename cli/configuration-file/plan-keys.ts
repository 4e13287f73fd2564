import type { FoundPartner } from './plan-partners.ts'
import type { KeyEntry } from './schema.ts'
import type { IngestKey, Partner } from './service-state.ts'
import { changeOf, type KeyStep, type PartnerReference, type Planned } from './steps.ts'

interface Known {
  /** The partners of the file. */
  readonly found: readonly FoundPartner[]
  /** Those of the service. */
  readonly partners: readonly Partner[]
  readonly partnersByName: ReadonlyMap<string, readonly Partner[]>
}

/** `existing` are the valid keys of this name. */
export function planKey(entry: KeyEntry, existing: readonly IngestKey[], known: Known): Planned<KeyStep> {
  const { name, partners = [] } = entry
  const skip = (reason: string) => ({ skipped: [{ kind: 'ingest_key' as const, name, reason }] })
  const references: PartnerReference[] = []
  for (const wanted of partners) {
    const reference = findPartner(wanted, known)
    if (typeof reference === 'string') return skip(reference)
    references.push(reference)
  }
  const ids = references.map((reference) => ('id' in reference ? reference.id : undefined))
  if (existing.some(({ partner_ids }) => isSameSet(partner_ids, ids))) return { skipped: [] }
  const [key] = existing
  if (key !== undefined)
    return skip(
      `the key of this name is for ${key.partner_ids.join(', ') || 'all projects'}, and that never changes: choose another name, or first "meterline ingest-keys revoke ${key.id}"`,
    )
  const changes = changeOf('partners', null, partners.length === 0 ? 'all' : partners.join(', '))
  return { step: { kind: 'ingest_key', action: 'create', id: null, name, changes, wanted: entry, partners: references }, skipped: [] }
}

/** By id or by name, of the file or of the service; or why it is none of them, or more than one. */
function findPartner(wanted: string, { found, partners, partnersByName }: Known): PartnerReference | string {
  const inFile = found.filter(({ entry }) => entry.id === wanted || entry.name === wanted)
  const [entry] = inFile
  if (entry !== undefined && inFile.length === 1) return entry.reference ?? `its partner "${wanted}" is skipped`
  if (partners.some(({ id }) => id === wanted)) return { id: wanted }
  const named = partnersByName.get(wanted) ?? []
  const [partner] = named
  if (partner !== undefined && named.length === 1) return { id: partner.id }
  const ids = inFile.flatMap((each) => each.entry.id ?? [])
  if (inFile.length === 0 && partner === undefined) return `neither the file nor the service has a partner "${wanted}": check the name, or give the id`
  return `several partners have the name "${wanted}": give the id of the one that is meant (${(ids.length > 0 ? ids : named.map(({ id }) => id)).join(', ')})`
}

function isSameSet(one: readonly string[], other: readonly (string | undefined)[]): boolean {
  return new Set(one).size === new Set(other).size && other.every((each) => each !== undefined && one.includes(each))
}
