import { groupedBy } from '../../metering/grouped-by.ts'
import { planKey } from './plan-keys.ts'
import { planMetric } from './plan-metrics.ts'
import { type FoundPartner, planPartner } from './plan-partners.ts'
import { planProject } from './plan-projects.ts'
import type { ConfigurationFile } from './schema.ts'
import type { ServiceState } from './service-state.ts'
import type { KeyStep, MetricStep, PartnerStep, ProjectStep, Skipped, Step } from './steps.ts'

/** What has to be done so that the service is as the file says, in the order in which it is done. */
export interface Plan {
  readonly metrics: readonly MetricStep[]
  readonly partners: readonly PartnerStep[]
  readonly projects: readonly ProjectStep[]
  readonly ingestKeys: readonly KeyStep[]
  /** What the file says and the service has no way to do. */
  readonly skipped: readonly Skipped[]
  /** What the service has beyond the file. It stays as it is. Metrics, partners and keys by name, projects by id. */
  readonly notInFile: Readonly<Record<'metrics' | 'partners' | 'projects' | 'ingest_keys', readonly string[]>>
  /** Entries of the file that are so already. */
  readonly unchanged: number
}

/** Compares the file with the service. `nowMs` is needed to recognize months of the distant past. */
export function planChanges(file: ConfigurationFile, state: ServiceState, nowMs: number): Plan {
  const metrics = file.metrics.map((entry) =>
    planMetric(
      entry,
      state.metrics.find(({ name }) => name === entry.name),
    ),
  )
  const metricNames = new Set(file.metrics.map(({ name }) => name))
  const partnersByName = groupedBy(state.partners, ({ name }) => name)
  const partners = file.partners.map((entry) => ({ entry, ...planPartner(entry, state.partners, partnersByName, nowMs) }))
  const found = partners.map(({ entry, reference }): FoundPartner => ({ entry, reference }))
  const known = { byId: new Map(state.projects.map((project) => [project.id, project])), partnerOfAccount: state.partnerOfAccount }
  const namesakes = groupedBy(state.projects, ({ partner_id, account_id, name }) => JSON.stringify([partner_id, account_id ?? '', name]))
  const inFile = new Set(file.partners.flatMap(({ projects }) => projects.map(({ id }) => id)))
  const projects = partners.flatMap((partner) =>
    partner.entry.projects.map((entry) => planProject(entry, partner, { ...known, namesakes, inFile, partners: state.partners })),
  )
  const keysByName = groupedBy(state.ingestKeys, ({ name }) => name)
  const keys = file.ingest_keys.map((entry) => planKey(entry, keysByName.get(entry.name) ?? [], { found, partners: state.partners, partnersByName }))
  const all = [...metrics, ...partners, ...projects, ...keys]
  const foundIds = new Set(found.flatMap(({ reference }) => (reference !== undefined && 'id' in reference ? [reference.id] : [])))
  const keyNames = new Set(file.ingest_keys.map(({ name }) => name))
  return {
    metrics: metrics.flatMap(({ step }) => step ?? []),
    partners: partners.flatMap(({ step }) => step ?? []),
    projects: projects.flatMap(({ step }) => step ?? []),
    ingestKeys: keys.flatMap(({ step }) => step ?? []),
    skipped: all.flatMap(({ skipped }) => skipped),
    notInFile: {
      metrics: state.metrics.filter(({ name, documented }) => !documented && !metricNames.has(name)).map(({ name }) => name),
      partners: state.partners.filter(({ id }) => !foundIds.has(id)).map(({ name }) => name),
      projects: state.projects.filter(({ id }) => !inFile.has(id)).map(({ id }) => id),
      ingest_keys: state.ingestKeys.filter(({ name }) => !keyNames.has(name)).map(({ name }) => name),
    },
    unchanged: all.filter(({ step, skipped }) => step === undefined && skipped.length === 0).length,
  }
}

export function stepsOf({ metrics, partners, projects, ingestKeys }: Plan): readonly Step[] {
  return [...metrics, ...partners, ...projects, ...ingestKeys]
}
