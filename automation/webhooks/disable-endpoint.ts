import { SERVICE } from '../../registry/audit-log.ts'
import type { RegistryStore } from '../../registry/changes.ts'
import { type Endpoint, findEndpoint, writeEndpoint } from './endpoints.ts'

/** The service disables an endpoint that failed for days. Undefined when it is removed, or disabled already. Throws StoreError. */
export function disableFailingEndpoint(
  registry: RegistryStore & { readonly now: () => number },
  endpointId: string,
  failingSinceMs: number,
): Promise<Endpoint | undefined> {
  return registry.changes.run(SERVICE, async (change) => {
    const known = await findEndpoint(registry, endpointId)
    // Enabled again meanwhile: it gets its days again.
    if (known === undefined || known.removedMs !== null || known.disabledMs !== null || known.enabledMs > failingSinceMs) return undefined
    const next: Endpoint = { ...known, disabledMs: registry.now(), disabledReason: 'failing', revision: known.revision + 1 }
    await change.note({ action: 'webhook.disable', subject: endpointId, details: { reason: 'failing', failing_since_ms: failingSinceMs } })
    await writeEndpoint(change, next)
    return next
  })
}
