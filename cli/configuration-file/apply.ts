import { PROJECTS_PER_BATCH_MAX, REGISTER_PROJECTS } from '../../contract/admin-projects.ts'
import type { Endpoint } from '../../contract/client.ts'
import { CREATE_INGEST_KEY } from '../../contract/ingest-keys.ts'
import { DEFINE_METRIC } from '../../contract/metrics.ts'
import { CREATE_PARTNER, UPDATE_PARTNER } from '../../contract/partners.ts'
import { counted } from '../../metering/counted.ts'
import { grouped } from '../../metering/grouped.ts'
import { CliError } from '../errors.ts'
import { call } from '../http-client.ts'
import type { SecretFile } from '../secret-file.ts'
import { type Plan, stepsOf } from './plan.ts'
import type { PartnerEntry } from './schema.ts'
import type { KeyStep, MetricStep, PartnerReference, PartnerStep, ProjectStep, Step } from './steps.ts'

/** What became of a step: it is done, or the service rejected it. */
export type Outcome = { readonly step: Step; readonly id: string | null; readonly error: { readonly code: string; readonly message: string } | null }

interface Run {
  readonly endpoint: Endpoint
  /** Undefined if the plan creates no secret. */
  readonly secrets: SecretFile | undefined
  /** Each outcome is appended, so that the caller knows what was done when a later step fails. */
  readonly outcomes: Outcome[]
}

/**
 * Does the steps of a plan, in order: metrics, partners, the projects of all of them, ingest keys. Each secret is on the disk before the next step.
 * A rejected metric or project does not stop the others; anything else does, and then a new plan of the same file has the rest. Throws CliError.
 */
export async function applyPlan(plan: Plan, { endpoint, secrets, outcomes }: Run): Promise<void> {
  const createdIds = new Map<PartnerEntry, string>()
  try {
    for (const step of plan.metrics) outcomes.push(await applyMetric(endpoint, step))
    for (const step of plan.partners) outcomes.push(await applyPartner(endpoint, step, createdIds, secrets))
    for (let first = 0; first < plan.projects.length; first += PROJECTS_PER_BATCH_MAX)
      outcomes.push(...(await applyProjects(endpoint, plan.projects.slice(first, first + PROJECTS_PER_BATCH_MAX), createdIds)))
    for (const step of plan.ingestKeys) outcomes.push(await applyKey(endpoint, step, createdIds, secrets))
  } catch (error) {
    throw error instanceof CliError ? stopped(error, outcomes.length, stepsOf(plan)) : error
  }
}

/** A change that the service does not allow is an outcome, so that the rest of the file is applied. */
async function applyMetric(endpoint: Endpoint, step: MetricStep): Promise<Outcome> {
  const { name, ...body } = step.wanted
  try {
    await call(endpoint, DEFINE_METRIC, { params: { name }, body })
    return { step, id: name, error: null }
  } catch (error) {
    if (error instanceof CliError && error.code === REJECTED) return { step, id: name, error: { code: REJECTED, message: error.message } }
    throw error
  }
}

const REJECTED = 'METRIC_FIXED'

async function applyPartner(endpoint: Endpoint, step: PartnerStep, createdIds: Map<PartnerEntry, string>, secrets: SecretFile | undefined): Promise<Outcome> {
  const { wanted, settings } = step
  let { id } = step
  if (id === null) {
    const { partner, secret } = await call(endpoint, CREATE_PARTNER, { body: { name: wanted.name, mode: wanted.mode } })
    id = partner.id
    createdIds.set(wanted, id)
    secrets?.write(JSON.stringify({ kind: 'partner', id, name: partner.name, secret }), `Create another one: meterline partners rotate ${id}`)
  }
  if (Object.keys(settings).length > 0) await call(endpoint, UPDATE_PARTNER, { params: { partnerId: id }, body: settings })
  return { step, id, error: null }
}

async function applyProjects(endpoint: Endpoint, steps: readonly ProjectStep[], createdIds: ReadonlyMap<PartnerEntry, string>): Promise<Outcome[]> {
  const projects = steps.map(({ wanted, partner }) => ({ ...wanted, partner_id: idOf(partner, createdIds) }))
  const answer = await call(endpoint, REGISTER_PROJECTS, { body: { projects } })
  return steps.map((step, index): Outcome => {
    const result = answer.projects[index]
    if (result === undefined) throw new Error(`The answer has no outcome of the project ${step.name}.`)
    return { step, id: step.wanted.id, error: result.outcome === 'rejected' ? { code: result.code, message: result.message } : null }
  })
}

async function applyKey(endpoint: Endpoint, step: KeyStep, createdIds: ReadonlyMap<PartnerEntry, string>, secrets: SecretFile | undefined): Promise<Outcome> {
  const { name } = step.wanted
  const partnerIds = step.partners.map((partner) => idOf(partner, createdIds))
  const { id, key } = await call(endpoint, CREATE_INGEST_KEY, { body: { name, ...(partnerIds.length === 0 ? {} : { partner_ids: partnerIds }) } })
  secrets?.write(JSON.stringify({ kind: 'ingest_key', id, name, secret: key }), `Revoke it, then apply the file again: meterline ingest-keys revoke ${id}`)
  return { step, id, error: null }
}

function idOf(partner: PartnerReference, createdIds: ReadonlyMap<PartnerEntry, string>): string {
  const id = 'id' in partner ? partner.id : createdIds.get(partner.created)
  if (id === undefined) throw new Error('A partner was to be created before it is used.')
  return id
}

export function stepsDone(done: number, all: number): string {
  return `${grouped(done)} of ${counted(all, 'step')} ${done === 1 ? 'is' : 'are'} done.`
}

/** A creation whose answer did not arrive may have happened: then its secret is lost. */
function stopped(error: CliError, done: number, steps: readonly Step[]): CliError {
  const step = steps[done]
  const isUncertain = error.retryable && step !== undefined && step.kind !== 'project' && step.kind !== 'metric' && step.action === 'create'
  const lost = isUncertain ? ` If the next plan finds "${step.name}" created, its secret is lost: rotate or revoke it.` : ''
  return new CliError(`${error.message} ${stepsDone(done, steps.length)}`, error.exitCode, {
    ...error,
    next: `${error.next === undefined ? '' : `${error.next} `}Apply the file again for the rest.${lost}`,
  })
}
