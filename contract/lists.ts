/** The closed lists of the interface. Without schemas, so that pages can use them too. */

export const PROJECT_STATUSES = ['active', 'paused', 'deleted'] as const
export type ProjectStatus = (typeof PROJECT_STATUSES)[number]
export const REGIONS = ['us-east', 'us-west', 'eu-west', 'eu-central', 'ap-southeast'] as const
export type Region = (typeof REGIONS)[number]
/** Names of regions for people. */
export const REGION_NAMES: Readonly<Record<Region, string>> = {
  'us-east': 'US East',
  'us-west': 'US West',
  'eu-west': 'Europe West',
  'eu-central': 'Europe Central',
  'ap-southeast': 'Asia Pacific Southeast',
}
export const INSTANCE_TYPES = ['nano', 'micro', 'small', 'medium', 'large', 'xl', '2xl', '4xl', '8xl', '16xl'] as const
export type InstanceType = (typeof INSTANCE_TYPES)[number]
export const PARTNER_MODES = ['white-label', 'co-branded'] as const
export type PartnerMode = (typeof PARTNER_MODES)[number]
/** The roles of admin tokens. The admin token of the instance has all of them. */
export const ADMIN_ROLES = ['operator', 'finance', 'emitter-manager'] as const
export type AdminRole = (typeof ADMIN_ROLES)[number]
/** The kinds of lines of a statement, in their order. */
export const STATEMENT_LINES = ['usage', 'adjustment', 'manual'] as const
export type StatementLine = (typeof STATEMENT_LINES)[number]
