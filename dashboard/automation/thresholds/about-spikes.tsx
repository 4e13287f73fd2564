import { linkTo } from '../../address/address.ts'
import type { Subject } from '../../address/subject.ts'

/** The API has no list of spikes: each is a message, which the deliveries of a webhook show. */
export function AboutSpikes({ subject }: { subject: Subject }) {
  return (
    <section aria-labelledby="spikes">
      <h2 id="spikes">Spikes</h2>
      <p>
        A spike needs no threshold: each complete day of a project is compared with the same weekday of the last 8 weeks, and a day that is unlike them is
        reported as a message of the type <code>usage.spike</code>. They are not listed here;{' '}
        {subject.asAdmin ? (
          <>
            <a href={linkTo(['webhooks'])}>add a webhook</a> for that type, whose deliveries show them.
          </>
        ) : (
          'add a webhook for that type, whose deliveries show them.'
        )}
      </p>
    </section>
  )
}
