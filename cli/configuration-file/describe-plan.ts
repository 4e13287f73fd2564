import type { Outcome } from './apply.ts'
import { type Plan, stepsOf } from './plan.ts'
import type { Skipped, Step } from './steps.ts'

const KIND_NAMES: Readonly<Record<Step['kind'], string>> = { metric: 'metric', partner: 'partner', project: 'project', ingest_key: 'ingest key' }
const NAMES_SHOWN_MAX = 5

/** A step for programs. */
export function documentOfStep(step: Step) {
  const { action, kind, id, name, changes } = step
  return { action, kind, id, name, partner: step.kind === 'project' ? step.partnerName : null, changes }
}

/** The plan for programs. */
export function documentOfPlan(plan: Plan) {
  const { skipped, notInFile, unchanged } = plan
  return { steps: stepsOf(plan).map(documentOfStep), skipped, not_in_file: notInFile, unchanged }
}

/** The plan for people: a diff. */
export function linesOfPlan(plan: Plan): string[] {
  const steps = stepsOf(plan)
  const created = steps.filter(({ action }) => action === 'create').length
  return [
    ...steps.flatMap(linesOfStep),
    ...plan.skipped.map(lineOfSkipped),
    ...linesOfRest(plan),
    `${created} to create, ${steps.length - created} to change, ${plan.skipped.length} skipped, ${plan.unchanged} unchanged`,
  ]
}

export function lineOfSkipped({ kind, name, reason }: Skipped): string {
  return `skipped: ${KIND_NAMES[kind]} ${name}: ${reason}`
}

/** What became of a step, for people. */
export function lineOfOutcome({ step, id, error }: Outcome): string {
  if (error !== null) return `rejected: ${headOf(step)}: ${error.message} (${error.code})`
  return `${step.action === 'create' ? 'created' : 'changed'}: ${headOf(step)}${step.kind === 'project' || step.kind === 'metric' || id === null ? '' : ` (${id})`}`
}

function linesOfStep(step: Step): string[] {
  const width = Math.max(...step.changes.map(({ field }) => field.length))
  const changes = step.changes.map(({ field, from, to }) => `    ${field.padEnd(width)}  ${from === null ? '' : `${from} -> `}${to}`)
  return [`${step.action === 'create' ? '+' : '~'} ${headOf(step)}`, ...changes]
}

function headOf(step: Step): string {
  return `${KIND_NAMES[step.kind]} ${step.kind === 'project' ? `${step.wanted.id} of ${step.partnerName}` : step.name}`
}

function linesOfRest({ notInFile }: Plan): string[] {
  const kinds = [
    ['metric', notInFile.metrics],
    ['partner', notInFile.partners],
    ['project', notInFile.projects],
    ['ingest_key', notInFile.ingest_keys],
  ] as const
  return kinds.flatMap(([kind, names]) => {
    if (names.length === 0) return []
    const more = names.length > NAMES_SHOWN_MAX ? ` and ${names.length - NAMES_SHOWN_MAX} more` : ''
    return [`not in the file and left as it is: ${KIND_NAMES[kind]} ${names.slice(0, NAMES_SHOWN_MAX).join(', ')}${more}`]
  })
}
