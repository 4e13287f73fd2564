import { linkTo } from '../../address/address.ts'

/** Beside the thresholds, because both notify of usage. */
export function AboutSpikes() {
  return (
    <section aria-labelledby="about-spikes">
      <h2 id="about-spikes">Spikes</h2>
      <p>
        A spike needs no threshold: a day of a project that is unlike the same weekday of the last 8 weeks is listed under{' '}
        <a href={linkTo(['spikes'])}>Spikes</a>. Webhooks for the type <code>usage.spike</code> are notified of it.
      </p>
    </section>
  )
}
