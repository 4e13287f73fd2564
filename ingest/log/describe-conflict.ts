import type { Correction } from '../../metering/correction.ts'
import type { UsageEvent } from '../../metering/event.ts'
import type { StoredCorrection } from './stored-corrections.ts'

type FirstEvent = Pick<UsageEvent, 'metric' | 'value' | 'text' | 'correctionBatch'>
type FirstCorrection = Pick<StoredCorrection, 'corrects' | 'action' | 'value'> & { readonly batch?: string }

/** It must advise nothing that bills twice: sent again as a new event, the whole value would be added to the first one. */
export function describeConflict(record: UsageEvent | Correction, first: FirstEvent | FirstCorrection): string {
  if ('corrects' in first && first.batch !== undefined && first.batch !== '') return `This id is that of the correction batch ${first.batch}. ${OWN_ID}`
  if ('corrects' in first) return `A correction with this id was counted before for this project: ${describeAction(first)}. ${OWN_ID}`
  if ((first.correctionBatch ?? '') !== '')
    return `An event with this id was sent to the correction batch ${first.correctionBatch}, with which it counts. If this is other usage, give it an id of its own.`
  const fact = `An event with this id was counted before for this project, with metric ${first.metric} and value ${valueAsSent(first)}. That one was kept; only a correction changes what it counts.`
  if ('timestampMs' in record && (record.correctionBatch ?? '') !== '') return `${fact} An event of a batch needs an id that no other event has.`
  if ('corrects' in record) return `${fact} A correction needs an event_id of its own.`
  return `${fact} If this is other usage, give it an id of its own. If it is a correction: ${describeCorrection(record, first)}`
}

const OWN_ID = 'Give this one an id of its own.'

function describeAction({ corrects, action, value }: FirstCorrection): string {
  return action === 'void' ? `a void of ${corrects}` : `an amendment of ${corrects} to ${value}`
}

/** Of an event of which a text is counted, the text. */
function valueAsSent({ value, text = '' }: Pick<FirstEvent, 'value' | 'text'>): string {
  return text === '' ? value : JSON.stringify(text)
}

/** A correction replaces the value, so sending it twice or beside others bills nothing twice. A metric and a text cannot be corrected. */
function describeCorrection({ projectId, eventId, metric, value, text }: UsageEvent, first: FirstEvent): string {
  if (metric === first.metric && text === undefined) return `send ${jsonOf({ projectId, eventId, value })}.`
  return `send ${jsonOf({ projectId, eventId, value: undefined })}, and then this event with an id of its own.`
}

/** The correction to send. Without a value it is a void. */
function jsonOf({ projectId, eventId, value }: { projectId: string; eventId: string; value: string | undefined }): string {
  const action = value === undefined ? { action: 'void' } : { action: 'amend', value }
  return JSON.stringify({ event_id: '<a new id>', project_id: projectId, corrects: eventId, ...action, reason: '<why>' })
}
