/**
 * Every project that was ever registered for a partner, as a subquery. Deleted projects are included: their usage is billed. A
 * project never changes its partner.
 */
export const PROJECTS_OF_PARTNER = 'SELECT project_id FROM projects_v1 WHERE partner_id = {partnerId: String}'

/** The same for several partners. */
export const PROJECTS_OF_PARTNERS = 'SELECT project_id FROM projects_v1 WHERE partner_id IN {partnerIds: Array(String)}'

/** Those of them that were created after a time, in ms since 1970. */
export const NEW_PROJECTS_OF_PARTNER = `${PROJECTS_OF_PARTNER} AND created_at > fromUnixTimestamp64Milli({createdAfterMs: Int64})`

/** The partner of each project. DISTINCT, because a project has a row for each revision: joined with them all, its usage would count twice. */
export const PROJECT_OWNERS = 'SELECT DISTINCT project_id, partner_id FROM projects_v1'
