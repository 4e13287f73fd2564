import { findPartner, type StoredPartner } from '../../registry/partners.ts'
import type { Registry } from '../../registry/registry.ts'
import { ApiError } from '../errors/errors.ts'

/** The partner with this id. Throws ApiError PARTNER_NOT_FOUND. */
export async function requireKnownPartner(registry: Registry, partnerId: string): Promise<StoredPartner> {
  const partner = await findPartner(registry, partnerId)
  if (partner === undefined) throw new ApiError('PARTNER_NOT_FOUND')
  return partner
}
