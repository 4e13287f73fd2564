import { parseTimestamp } from '../../metering/timestamp.ts'
import type { FoundPartner, PlannedPartner } from './plan-partners.ts'
import type { ProjectEntry } from './schema.ts'
import type { Partner, Project } from './service-state.ts'
import { changeOf, type Planned, type ProjectStep } from './steps.ts'

interface Known {
  readonly byId: ReadonlyMap<string, Project>
  /** Projects by partner, account and name. */
  readonly namesakes: ReadonlyMap<string, readonly Project[]>
  /** The ids of all projects of the file. */
  readonly inFile: ReadonlySet<string>
  readonly partners: readonly Partner[]
  readonly partnerOfAccount: ReadonlyMap<string, string>
}

type Owner = FoundPartner & Pick<PlannedPartner, 'mode'>

export function planProject(entry: ProjectEntry, owner: Owner, known: Known): Planned<ProjectStep> {
  const project = known.byId.get(entry.id)
  const reason = findObstacle(entry, { owner, project, known })
  if (reason !== undefined) return { skipped: [{ kind: 'project', name: entry.id, reason }] }
  const { id, name, region, instance_type, status, deleted_at, account_id } = entry
  const changes = [
    ...changeOf('name', project?.name, name),
    ...changeOf('region', project?.region, region),
    ...changeOf('instance_type', project?.instance_type, instance_type),
    ...changeOf('status', project?.status, status),
    ...(project?.status === 'deleted' ? [] : changeOf('deleted_at', null, deleted_at)),
    ...changeOf('account_id', project?.account_id, account_id),
  ]
  const isNew = project === undefined
  const skipped = isOtherTime(project?.deleted_at, deleted_at)
    ? [{ kind: 'project' as const, name: id, reason: `it was deleted at ${project?.deleted_at}, and that never changes` }]
    : []
  if (owner.reference === undefined || changes.length === 0) return { skipped }
  const action = isNew ? 'create' : 'update'
  return { step: { kind: 'project', action, id, name, changes, wanted: entry, partner: owner.reference, partnerName: owner.entry.name }, skipped }
}

/** Why the service would reject the project as a whole. */
function findObstacle(
  { id, name, status, account_id }: ProjectEntry,
  { owner, project, known }: { readonly owner: Owner; readonly project: Project | undefined; readonly known: Known },
): string | undefined {
  const { reference } = owner
  if (reference === undefined) return `its partner "${owner.entry.name}" is skipped`
  const partnerId = 'id' in reference ? reference.id : undefined
  if (project !== undefined && project.partner_id !== partnerId) {
    const other = known.partners.find((each) => each.id === project.partner_id)
    return `it belongs to the partner "${other?.name}" (${project.partner_id}), and that never changes`
  }
  if (project?.status === 'deleted' && status !== undefined && status !== 'deleted') return 'it is deleted, and that is final'
  if (account_id !== undefined) {
    if (owner.mode !== 'co-branded') return 'only projects of co-branded partners have an account'
    if (project !== undefined && project.account_id !== null && project.account_id !== account_id)
      return `it belongs to the account ${project.account_id}, and that never changes`
    if (partnerId === undefined || known.partnerOfAccount.get(account_id) !== partnerId)
      return `its partner has no account ${account_id}; accounts are created when a partner connects a user`
  }
  const group = JSON.stringify([partnerId, account_id ?? project?.account_id ?? '', name])
  // What the file says about a namesake may free the name.
  const namesake = known.namesakes.get(group)?.find((each) => each.id !== id && each.status !== 'deleted' && !known.inFile.has(each.id))
  const isLive = (status ?? project?.status) !== 'deleted'
  return isLive && namesake !== undefined ? `the project ${namesake.id} of the same partner has the name "${name}"` : undefined
}

function isOtherTime(stored: string | null | undefined, wanted: string | undefined): boolean {
  return typeof stored === 'string' && wanted !== undefined && parseTimestamp(stored) !== parseTimestamp(wanted)
}
