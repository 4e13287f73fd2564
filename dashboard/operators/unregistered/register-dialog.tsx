import { useState } from 'preact/hooks'
import type { REGISTER_PROJECT } from '../../../contract/admin-projects.ts'
import { INSTANCE_TYPES, type InstanceType, REGION_NAMES, type Region } from '../../../contract/lists.ts'
import { call } from '../../calls/call.ts'
import { counted } from '../../numbers/show-quantity.ts'
import { showDay } from '../../numbers/show-time.ts'
import { FormDialog } from '../../parts/form-dialog.tsx'
import { Notice } from '../../parts/notice.tsx'
import { useAction } from '../../parts/use-action.ts'
import { caller } from '../../session/session.ts'
import { PartnerChoice } from '../partner-choice.tsx'
import { usePartners } from '../use-partners.ts'
import type { UnregisteredProject } from './read-unregistered.ts'

interface RegisterDialogProps {
  readonly project: UnregisteredProject
  /** With a sentence about what was done. */
  readonly onRegistered: (text: string) => void
  readonly onClose: () => void
}

/** Gives a project to a partner, who is billed for its usage from then on, that of the past included. */
export function RegisterDialog({ project, onRegistered, onClose }: RegisterDialogProps) {
  const partners = usePartners()
  const [partnerId, setPartnerId] = useState('')
  const action = useAction<true>()
  const partner = partners.partners.find(({ id }) => id === partnerId)
  const submit = async (fields: FormData) => {
    const isDone = await action.run(async () => {
      await register(project.id, partnerId, fields)
      return true
    })
    return isDone !== undefined
  }
  const report = () => onRegistered(`${project.id} is registered. Its usage since ${showDay(project.first_day)} belongs to ${partner?.name ?? partnerId} now.`)
  return (
    <FormDialog
      heading={`Register ${project.id}`}
      verb="Register"
      isBusy={action.isBusy}
      failure={action.failure}
      onSubmit={submit}
      onDone={report}
      onClose={onClose}
    >
      <p>
        Its usage since {showDay(project.first_day)}, {counted(project.events, 'event')}, will belong to the partner. A project never changes its partner
        afterwards. Events of closed months are billed as adjustments.
      </p>
      {project.similar_project_ids.length === 0 ? null : (
        <Notice tone="warn">
          There is {project.similar_project_ids.join(', ')} already. If this id is a misspelt one, do not register it: correct the emitter.
        </Notice>
      )}
      <PartnerChoice loaded={partners} value={partnerId} onChange={setPartnerId} />
      <label>
        Name
        <input name="name" required maxLength={128} defaultValue={project.id} />
      </label>
      <label>
        Region
        <select name="region">
          {Object.entries(REGION_NAMES).map(([region, title]) => (
            <option key={region} value={region}>
              {title}
            </option>
          ))}
        </select>
      </label>
      <label>
        Instance type
        <select name="instance_type">
          {INSTANCE_TYPES.map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
    </FormDialog>
  )
}

function register(projectId: string, partnerId: string, fields: FormData) {
  const body = {
    partner_id: partnerId,
    name: String(fields.get('name')).trim(),
    region: String(fields.get('region')) as Region,
    instance_type: String(fields.get('instance_type')) as InstanceType,
  }
  return call<typeof REGISTER_PROJECT>(caller(), { method: 'PUT', path: '/admin/v1/projects/:projectId', params: { projectId }, body })
}
