import type { CREATE_INGEST_KEY } from '../../../contract/ingest-keys.ts'
import { call } from '../../calls/call.ts'
import { Dialog } from '../../parts/dialog.tsx'
import { DialogActions } from '../../parts/dialog-actions.tsx'
import { ShownOnce } from '../../parts/shown-once.tsx'
import { useAction } from '../../parts/use-action.ts'
import { caller, hasRole } from '../../session/session.ts'
import { type LoadedPartners, usePartners } from '../use-partners.ts'

interface CreateIngestKeyDialogProps {
  readonly onCreated: () => void
  readonly onClose: () => void
}

/** The key is answered once: it stays shown until the dialog is closed. */
export function CreateIngestKeyDialog({ onCreated, onClose }: CreateIngestKeyDialogProps) {
  const action = useAction<string>()
  const submit = async (event: SubmitEvent) => {
    event.preventDefault()
    const fields = new FormData(event.currentTarget as HTMLFormElement)
    if ((await action.run(() => createKey(fields))) !== undefined) onCreated()
  }
  return (
    <Dialog heading={action.result === undefined ? 'Create an ingest key' : 'The ingest key was created'} onClose={onClose}>
      {action.result === undefined ? (
        <form onSubmit={submit}>
          <label>
            Name
            <input name="name" required maxLength={128} placeholder="gateway-eu" autocomplete="off" />
          </label>
          {hasRole('operator') ? <PartnersAsBoxes /> : <PartnersAsText />}
          <DialogActions verb="Create" isBusy={action.isBusy} failure={action.failure} />
        </form>
      ) : (
        <ShownOnce what="ingest key" value={action.result} />
      )}
    </Dialog>
  )
}

async function createKey(fields: FormData): Promise<string> {
  const chosen = [...fields.getAll('partner'), ...String(fields.get('partners') ?? '').split(/[\s,]+/)].map(String).filter((id) => id !== '')
  const body = { name: String(fields.get('name')).trim(), ...(chosen.length === 0 ? {} : { partner_ids: chosen }) }
  return (await call<typeof CREATE_INGEST_KEY>(caller(), { method: 'POST', path: '/admin/v1/ingest-keys', body })).key
}

const NO_LIMIT = 'With none, the key may send events for all projects, registered or not.'

/** For who may list the partners. */
function PartnersAsBoxes() {
  const loaded: LoadedPartners = usePartners()
  return (
    <fieldset class="boxes">
      <legend>Limit to partners (optional)</legend>
      <p class="hint">{NO_LIMIT}</p>
      {loaded.partners.map(({ id, name }) => (
        <label key={id} class="check">
          <input type="checkbox" name="partner" value={id} />
          <span>
            {name} <code>{id}</code>
          </span>
        </label>
      ))}
      {loaded.loadMore === undefined ? null : (
        <button type="button" onClick={loaded.loadMore}>
          Load more partners
        </button>
      )}
      <p role="alert">{loaded.action.failure === undefined ? '' : `The partners could not be read. ${loaded.action.failure.message}`}</p>
    </fieldset>
  )
}

function PartnersAsText() {
  return (
    <>
      <label>
        Ids of partners that it is limited to (optional)
        <input name="partners" placeholder="ps_…, ps_…" autocomplete="off" spellcheck={false} aria-describedby="partners-hint" />
      </label>
      <p class="hint" id="partners-hint">
        {NO_LIMIT}
      </p>
    </>
  )
}
