export const LOGGED_REQUESTS = ['all', 'failures', 'none'] as const

/** Which requests get a line in the log. A failure is a status from 400 on. */
export type LoggedRequests = (typeof LOGGED_REQUESTS)[number]
