import { stringify } from 'smol-toml'
import { groupedBy } from '../../metering/grouped-by.ts'
import type { ConfigurationFile, KeyEntry, MetricEntry, PartnerEntry, ProjectEntry } from './schema.ts'
import type { IngestKey, Metric, Partner, Project, ServiceState } from './service-state.ts'

export interface WrittenFile {
  readonly document: ConfigurationFile
  readonly text: string
  /** What the file cannot express, as sentences. */
  readonly leftOut: readonly string[]
}

/** The state of the service as a file, always in the same order, so that two exports can be compared. It contains no secret. */
export function writeConfigurationFile({ metrics, partners, projects, ingestKeys }: ServiceState, url: string): WrittenFile {
  const isUnique = uniqueIn(partners.map(({ name }) => name))
  const nameOf = new Map(partners.map(({ id, name }) => [id, isUnique(name) ? name : id]))
  const projectsOf = groupedBy(projects, ({ partner_id }) => partner_id)
  const named = new Map(ingestKeys.toReversed().map((key) => [key.name, key]))
  const document = {
    metrics: metrics.filter(({ documented, labels }) => !documented || labels.length > 0).map(metricEntry),
    partners: partners.toSorted(byNameAndId).map((partner) => partnerEntry(partner, projectsOf.get(partner.id) ?? [], isUnique(partner.name))),
    ingest_keys: [...named.values()].toSorted(byNameAndId).map((key) => keyEntry(key, nameOf)),
  }
  const leftOut = ingestKeys
    .filter((key) => named.get(key.name) !== key)
    .map(({ id, name }) => `the ingest key ${id}, because an older one is called "${name}" too`)
  return {
    document,
    text: `${[...headOf(url), ...leftOut.map((each) => `# Left out: ${each}.`)].join('\n')}\n\n${stringify(withoutEmptyLists(document))}`,
    leftOut,
  }
}

function withoutEmptyLists({ metrics, partners, ingest_keys }: ConfigurationFile) {
  const shown = partners.map(({ projects, ...partner }) => (projects.length === 0 ? partner : { ...partner, projects }))
  return {
    ...(metrics.length === 0 ? {} : { metrics }),
    ...(shown.length === 0 ? {} : { partners: shown }),
    ...(ingest_keys.length === 0 ? {} : { ingest_keys }),
  }
}

function headOf(url: string): string[] {
  return [
    `# Configuration of Meterline at ${url}, written by "meterline config export".`,
    '# "meterline config plan <file>" shows what would change, and "meterline config apply <file>" changes it.',
    '# What is left out here is not changed there; nothing is removed. The file contains no secret.',
  ]
}

function metricEntry({ name, kind, unit, description, display, labels }: Metric): MetricEntry {
  return { name, kind, unit, description, ...(display === name ? {} : { display }), ...(labels.length === 0 ? {} : { labels }) }
}

function partnerEntry({ id, name, mode, billing_from, disabled_at }: Partner, projects: readonly Project[], hasUniqueName: boolean): PartnerEntry {
  return {
    ...(hasUniqueName ? {} : { id }),
    name,
    mode,
    ...(billing_from === null ? {} : { billing_from }),
    ...(disabled_at === null ? {} : { disabled: true }),
    projects: projects.toSorted(byNameAndId).map(projectEntry),
  }
}

function projectEntry({ id, name, region, instance_type, status, deleted_at, account_id }: Project): ProjectEntry {
  return {
    ...{ id, name, region, instance_type },
    // Partners pause and restore their projects themselves: the file of yesterday must not undo that.
    ...(status === 'deleted' ? { status } : {}),
    ...(deleted_at === null ? {} : { deleted_at }),
    ...(account_id === null ? {} : { account_id }),
  }
}

function keyEntry({ name, partner_ids }: IngestKey, nameOf: ReadonlyMap<string, string>): KeyEntry {
  return { name, ...(partner_ids.length === 0 ? {} : { partners: partner_ids.map((id) => nameOf.get(id) ?? id).toSorted() }) }
}

function uniqueIn(names: readonly string[]): (name: string) => boolean {
  const grouped = groupedBy(names, (name) => name)
  return (name) => grouped.get(name)?.length === 1
}

/** By code units, so that the order is the same on every machine. */
function byNameAndId(one: { readonly name: string; readonly id: string }, other: { readonly name: string; readonly id: string }): number {
  if (one.name !== other.name) return one.name < other.name ? -1 : 1
  return one.id < other.id ? -1 : 1
}
