/** From when on something of automation is a problem; as in docs/operating/alerts.yml. A run that begins a little late is none. */
export const OVERDUE_AFTER_MS = 15 * 60_000
export const PENDING_AFTER_MS = 60 * 60_000
export const NOT_EVALUATED_AFTER_MS = 5 * 60_000
