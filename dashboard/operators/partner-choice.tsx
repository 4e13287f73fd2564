import type { Partner } from '../partners/read-partners.ts'
import type { LoadedPartners } from './use-partners.ts'

interface PartnerChoiceProps {
  readonly loaded: LoadedPartners
  readonly value: string
  readonly onChange: (partnerId: string) => void
}

/** Chooses one of the partners that are loaded. */
export function PartnerChoice({ loaded: { partners, loadMore, action }, value, onChange }: PartnerChoiceProps) {
  return (
    <div class="partner-choice">
      <label>
        Partner
        <select required value={value} onChange={(event) => onChange(event.currentTarget.value)}>
          <option value="">{action.isBusy && partners.length === 0 ? 'Reading the partners…' : 'Choose a partner'}</option>
          {partners.map((partner) => (
            <option key={partner.id} value={partner.id}>
              {nameOf(partner)}
            </option>
          ))}
        </select>
      </label>
      {loadMore === undefined ? null : (
        <button type="button" onClick={loadMore}>
          {action.failure === undefined ? 'Load more partners' : 'Try again'}
        </button>
      )}
      <p role="alert">{action.failure === undefined ? '' : `The partners could not be read. ${action.failure.message}`}</p>
      {partners.length === 0 && loadMore === undefined && !action.isBusy ? (
        <p class="hint">There is no partner yet. Create one first: meterline partners create.</p>
      ) : null}
    </div>
  )
}

function nameOf({ name, id, disabled_at }: Partner): string {
  return `${name} (${id})${disabled_at === null ? '' : ', disabled'}`
}
