import type { KeyEntry, MetricEntry, PartnerEntry, ProjectEntry } from './schema.ts'

export interface Change {
  readonly field: string
  /** Null: it is not set, or what it belongs to does not exist. */
  readonly from: string | null
  readonly to: string
}

interface StepFields {
  readonly action: 'create' | 'update'
  /** Null for what is created and gets its id from the service. */
  readonly id: string | null
  readonly name: string
  readonly changes: readonly Change[]
}

/** A partner: by its id, or by its name if a step before creates it. */
export type PartnerReference = { readonly id: string } | { readonly created: PartnerEntry }

export interface MetricStep extends StepFields {
  readonly kind: 'metric'
  readonly wanted: MetricEntry
}

export interface PartnerStep extends StepFields {
  readonly kind: 'partner'
  readonly wanted: PartnerEntry
  /** The first billed month and whether it is disabled, as they are to be set. */
  readonly settings: { readonly billing_from?: string; readonly disabled?: boolean }
}

export interface ProjectStep extends StepFields {
  readonly kind: 'project'
  readonly wanted: ProjectEntry
  readonly partner: PartnerReference
  readonly partnerName: string
}

export interface KeyStep extends StepFields {
  readonly kind: 'ingest_key'
  readonly wanted: KeyEntry
  readonly partners: readonly PartnerReference[]
}

export type Step = MetricStep | PartnerStep | ProjectStep | KeyStep

export interface Skipped {
  readonly kind: Step['kind']
  readonly name: string
  readonly reason: string
}

/** What one entry of the file needs: a step, nothing, and what of it cannot be done. */
export interface Planned<S extends Step> {
  readonly step?: S | undefined
  readonly skipped: readonly Skipped[]
}

/** The change of one field, or none if the file does not mention it or it is so already. */
export function changeOf(field: string, from: string | null | undefined, to: string | undefined): Change[] {
  return to === undefined || to === from ? [] : [{ field, from: from ?? null, to }]
}
