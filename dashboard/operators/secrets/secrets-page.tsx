import { useState } from 'preact/hooks'
import { useAnswer } from '../../calls/use-answer.ts'
import { PageHeading, refreshOf } from '../../parts/page-heading.tsx'
import { ShownAnswer } from '../../parts/shown-answer.tsx'
import { CreateSecretDialog } from './create-secret-dialog.tsx'
import { readSecrets } from './read-secrets.ts'
import { SecretTable } from './secret-table.tsx'

/** The secrets that are kept encrypted, by name. A value is shown only to who asks for it. */
export function SecretsPage() {
  const secrets = useAnswer('secrets', readSecrets)
  const [isCreating, setCreating] = useState(false)
  return (
    <>
      <PageHeading
        title="Secrets"
        lead="Kept encrypted; only their names are listed. The audit log records each change, and who has read a value."
        {...refreshOf(secrets)}
      >
        <button type="button" class="main" onClick={() => setCreating(true)}>
          Create a secret…
        </button>
      </PageHeading>
      <ShownAnswer answer={secrets} what="secrets">
        {(listed) => <SecretTable secrets={listed} onChanged={secrets.reload} />}
      </ShownAnswer>
      {isCreating ? <CreateSecretDialog onCreated={secrets.reload} onClose={() => setCreating(false)} /> : null}
    </>
  )
}
