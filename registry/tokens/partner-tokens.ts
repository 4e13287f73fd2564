import { PARTNER_TOKEN_SECONDS_MAX } from '../../contract/partner-tokens.ts'
import type { RegistryReads } from '../changes.ts'
import { findPartner, type Partner } from '../partners.ts'
import { signToken, type TokenIssuer, verifyToken } from './signed-token.ts'

/** Creates a token that reads usage and bills of one partner. It is stored nowhere and ends by its lifetime. Throws StoreError. */
export function createPartnerToken(
  registry: TokenIssuer,
  { partnerId, lifetimeSeconds }: { partnerId: string; lifetimeSeconds: number },
): Promise<{ token: string; expiresMs: number }> {
  return signToken(registry, { typ: 'partner+jwt', audience: audienceOf(registry), subject: partnerId, lifetimeSeconds })
}

/** The partner, if the token is its own and the partner is not disabled; undefined when it is invalid for any reason. Throws StoreError. */
export async function authenticatePartnerToken(registry: TokenIssuer & RegistryReads, token: string, partnerId: string): Promise<Partner | undefined> {
  const expected = { typ: 'partner+jwt', audience: audienceOf(registry), subject: partnerId, lifetimeSecondsMax: PARTNER_TOKEN_SECONDS_MAX } as const
  // Without a token of this partner nothing is looked up, so that the response time does not reveal whether the partner exists.
  if ((await verifyToken(registry, token, expected)) === undefined) return undefined
  const partner = await findPartner(registry, partnerId)
  return partner?.disabledMs === null ? partner : undefined
}

function audienceOf({ publicUrl }: TokenIssuer): string {
  return `${publicUrl}/partnership/v1`
}
