import { z } from 'zod'
import { InstanceTypeField, MonthText, Name, RegionField, Status } from '../../contract/fields.ts'
import { PARTNER_MODES } from '../../contract/lists.ts'
import { MetricFields, MetricNameField } from '../../contract/metrics.ts'
import { isProjectId, isReservedProjectId } from '../../metering/event.ts'
import { parseTimestamp } from '../../metering/timestamp.ts'

/** What the file says. A field that is left out is not changed at the service, and has the service's default in what is created. */

const KEY_PARTNERS_MAX = 100

/** TOML has times of its own; without a zone they stay without one and are invalid. */
const Time = z
  .preprocess((value) => (value instanceof Date ? value.toISOString() : value), z.string())
  .refine((text) => parseTimestamp(text) !== undefined, 'must be an RFC 3339 date-time with a zone')

const Id = z.string().min(1).max(256)

const ProjectEntry = z
  .strictObject({
    id: z.string().refine((id) => isProjectId(id) && !isReservedProjectId(id), 'must be a project id: 1 to 128 of the characters A-Z a-z 0-9 _ . : -'),
    name: Name,
    region: RegionField.optional(),
    instance_type: InstanceTypeField.optional(),
    status: Status.optional(),
    deleted_at: Time.optional(),
    account_id: Id.optional(),
  })
  .refine(({ deleted_at, status }) => deleted_at === undefined || status === 'deleted', {
    path: ['deleted_at'],
    message: 'is only allowed with status = "deleted"',
  })
export type ProjectEntry = z.output<typeof ProjectEntry>

const PartnerEntry = z.strictObject({
  /** Only where several partners have the same name: ids are given by the service. */
  id: Id.optional(),
  name: Name,
  mode: z.enum(PARTNER_MODES).optional(),
  billing_from: MonthText.optional(),
  disabled: z.boolean().optional(),
  projects: z.array(ProjectEntry).default([]),
})
export type PartnerEntry = z.output<typeof PartnerEntry>

const KeyEntry = z.strictObject({
  name: Name,
  /** Names of partners, or ids where a name is not unique. Left out: the key may send for all projects. */
  partners: z.array(z.string().min(1)).min(1).max(KEY_PARTNERS_MAX).optional(),
})
export type KeyEntry = z.output<typeof KeyEntry>

const MetricEntry = z.strictObject({ name: MetricNameField, ...MetricFields })
export type MetricEntry = z.output<typeof MetricEntry>

export const ConfigurationFile = z
  .strictObject({ metrics: z.array(MetricEntry).default([]), partners: z.array(PartnerEntry).default([]), ingest_keys: z.array(KeyEntry).default([]) })
  .superRefine(({ metrics, partners, ingest_keys }, context) => {
    const report = (path: PropertyKey[], message: string) => context.addIssue({ code: 'custom', path, message })
    const partnerNames = new Seen()
    const projectIds = new Seen()
    for (const [index, partner] of partners.entries()) {
      const place = ['partners', index]
      if (partnerNames.has(partner.id === undefined ? `name ${partner.name}` : `id ${partner.id}`))
        report([...place, partner.id === undefined ? 'name' : 'id'], 'is that of an earlier partner; partners with the same name need their ids')
      const projectNames = new Seen()
      for (const [at, { id, name, status, account_id = '' }] of partner.projects.entries()) {
        if (projectIds.has(id)) report([...place, 'projects', at, 'id'], 'is that of an earlier project')
        if (status !== 'deleted' && projectNames.has(`${account_id} ${name}`))
          report([...place, 'projects', at, 'name'], 'is that of an earlier project of the same partner')
      }
    }
    const metricNames = new Seen()
    for (const [index, { name }] of metrics.entries()) if (metricNames.has(name)) report(['metrics', index, 'name'], 'is that of an earlier metric')
    const keyNames = new Seen()
    for (const [index, { name }] of ingest_keys.entries()) if (keyNames.has(name)) report(['ingest_keys', index, 'name'], 'is that of an earlier ingest key')
  })
export type ConfigurationFile = z.output<typeof ConfigurationFile>

/** The keys that are allowed where an unknown one was found. */
export function allowedKeysAt(path: readonly PropertyKey[]): readonly string[] {
  const names = path.filter((each) => typeof each === 'string').join('.')
  const schema = { metrics: MetricEntry, partners: PartnerEntry, 'partners.projects': ProjectEntry, ingest_keys: KeyEntry }[names] ?? ConfigurationFile
  return Object.keys(schema.shape)
}

class Seen {
  readonly #values = new Set<string>()

  /** Whether the value was there before; it is from now on. */
  has(value: string): boolean {
    const isKnown = this.#values.has(value)
    this.#values.add(value)
    return isKnown
  }
}
