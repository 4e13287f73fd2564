import type { Subject } from '../../address/subject.ts'
import type { EventType } from './call-webhooks.ts'
import { EVENT_MEANINGS } from './event-meanings.ts'

interface EventChoiceProps {
  readonly subject: Subject
  readonly chosen: readonly EventType[]
  readonly onChange: (chosen: readonly EventType[]) => void
}

/** The types of messages that a webhook gets; at least one. */
export function EventChoice({ subject, chosen, onChange }: EventChoiceProps) {
  const offered = (Object.keys(EVENT_MEANINGS) as EventType[]).filter((type) => subject.asAdmin || EVENT_MEANINGS[type].isForOperators !== true)
  return (
    <fieldset class="checks">
      <legend>Messages</legend>
      {offered.map((type) => (
        <label key={type} class="check">
          <input
            type="checkbox"
            checked={chosen.includes(type)}
            onChange={(event) => onChange(event.currentTarget.checked ? [...chosen, type] : chosen.filter((other) => other !== type))}
          />
          <span>
            {type}
            <small>{EVENT_MEANINGS[type].meaning}</small>
          </span>
        </label>
      ))}
      {chosen.length === 0 ? <p class="problem">Choose at least one.</p> : null}
    </fieldset>
  )
}
