import { MONTHS_BACK_MAX } from '../../contract/partners.ts'
import { counted } from '../../metering/counted.ts'
import { monthsAgo } from '../../metering/month.ts'
import type { PartnerEntry } from './schema.ts'
import type { Partner } from './service-state.ts'
import { type Change, changeOf, type PartnerReference, type PartnerStep, type Planned, type Skipped } from './steps.ts'

export interface FoundPartner {
  readonly entry: PartnerEntry
  /** Undefined if it is none of the service's and cannot be created. */
  readonly reference: PartnerReference | undefined
}

export interface PlannedPartner extends Planned<PartnerStep> {
  readonly reference: PartnerReference | undefined
  /** As it will be. */
  readonly mode: Partner['mode']
}

export function planPartner(entry: PartnerEntry, partners: readonly Partner[], byName: ReadonlyMap<string, readonly Partner[]>, nowMs: number): PlannedPartner {
  const { id, name, mode = 'white-label' } = entry
  const matches = id === undefined ? (byName.get(name) ?? []) : partners.filter((each) => each.id === id)
  const [match, ...others] = matches
  if (match !== undefined && others.length === 0) return planUpdate(entry, match, nowMs)
  const skip = (reason: string) => ({ reference: undefined, mode, skipped: [{ kind: 'partner' as const, name, reason }] })
  if (others.length > 0)
    return skip(`${counted(matches.length, 'partner')} have this name: add the id of the one that is meant (${matches.map((each) => each.id).join(', ')})`)
  if (id !== undefined) return skip(`the service has no partner ${id}, and ids are given by the service: leave out the id to create the partner`)
  return planCreation(entry, nowMs)
}

function planCreation(entry: PartnerEntry, nowMs: number): PlannedPartner {
  const { name, mode = 'white-label', disabled } = entry
  const skipped = skippedMonth(entry, null, nowMs)
  const billing = skipped.length === 0 ? entry.billing_from : undefined
  const changes = [
    ...changeOf('mode', null, mode),
    ...changeOf('billing_from', null, billing),
    ...(disabled === true ? changeOf('state', null, 'disabled') : []),
  ]
  const settings = { ...(billing === undefined ? {} : { billing_from: billing }), ...(disabled === true ? { disabled } : {}) }
  const step: PartnerStep = { kind: 'partner', action: 'create', id: null, name, changes, wanted: entry, settings }
  return { reference: { created: entry }, mode, step, skipped }
}

function planUpdate(entry: PartnerEntry, partner: Partner, nowMs: number): PlannedPartner {
  const { id, name, mode, disabled_at, billing_from } = partner
  const skip = (reason: string): Skipped => ({ kind: 'partner', name: entry.name, reason })
  const monthSkipped = skippedMonth(entry, partner, nowMs)
  const skipped = [
    ...(entry.name === name ? [] : [skip(`its name is "${name}", and the service cannot rename a partner`)]),
    ...(entry.mode === undefined || entry.mode === mode ? [] : [skip(`its mode is ${mode}, which never changes`)]),
    ...monthSkipped,
  ]
  const month: Change[] = monthSkipped.length === 0 ? changeOf('billing_from', billing_from, entry.billing_from) : []
  const state = changeOf('state', stateOf(disabled_at !== null), entry.disabled === undefined ? undefined : stateOf(entry.disabled))
  const changes = [...month, ...state]
  const settings = {
    ...(month.length > 0 && entry.billing_from !== undefined ? { billing_from: entry.billing_from } : {}),
    ...(state.length > 0 && entry.disabled !== undefined ? { disabled: entry.disabled } : {}),
  }
  const step: PartnerStep | undefined = changes.length === 0 ? undefined : { kind: 'partner', action: 'update', id, name, changes, wanted: entry, settings }
  return { reference: { id }, mode, step, skipped }
}

function stateOf(isDisabled: boolean): string {
  return isDisabled ? 'disabled' : 'enabled'
}

/** A closed month never changes, and a typing error must not bill years of usage: a month of the distant past is set by its own command. */
function skippedMonth({ name, billing_from }: PartnerEntry, partner: Partner | null, nowMs: number): Skipped[] {
  if (billing_from === undefined || billing_from === partner?.billing_from) return []
  const skip = (reason: string): Skipped[] => [{ kind: 'partner', name, reason: `billing_from cannot be ${billing_from}: ${reason}` }]
  if (typeof partner?.closed_through === 'string') return skip(`months are closed through ${partner.closed_through}, and closed months never change`)
  const months = monthsAgo(billing_from, nowMs)
  if (months <= MONTHS_BACK_MAX) return []
  return skip(`it is ${counted(months, 'month')} ago; if that is intended: meterline partners update ${partner?.id ?? '<id>'} --billing-from ${billing_from}`)
}
