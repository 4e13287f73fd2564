import type { FastifyContextConfig, FastifyRequest } from 'fastify'
import { ADMIN_ROLES, type AdminRole, type PartnerMode } from '../../contract/lists.ts'
import { isFromThisMachine } from '../http/from-this-machine.ts'

/**
 * Who may call a route. Each route declares it in its `config` and nowhere else: the check before the route and its `security`
 * in the OpenAPI document both read it from there.
 */
export type Access =
  | { readonly who: 'everyone' }
  | { readonly who: 'emitter' }
  /**
   * The partner in the path. Partners of another mode than `mode` get a 403 with the reason. `projectToken`: also the ten-minute
   * token of the project in the path. `partnerToken`: also the partner's token for pages, so only for reads without an API key.
   */
  | { readonly who: 'partner'; readonly mode?: PartnerMode; readonly projectToken?: true; readonly partnerToken?: true }
  /** The admin token, and admin JWTs of these roles. `orThisMachine`: also programs on this machine, without a credential. */
  | { readonly who: 'admin'; readonly roles: readonly AdminRole[]; readonly orThisMachine?: true }

export const EVERYONE: Access = { who: 'everyone' }
export const EMITTER: Access = { who: 'emitter' }
export const PARTNER: Access = { who: 'partner' }
/** Also the partner's token for pages. */
export const PARTNER_READER: Access = { who: 'partner', partnerToken: true }
/** Also the ten-minute token of the project in the path, and the partner's token for pages. */
export const PROJECT_READER: Access = { who: 'partner', projectToken: true, partnerToken: true }
export const WHITE_LABEL_PARTNER: Access = { who: 'partner', mode: 'white-label' }
/** Also the ten-minute token of the project in the path. */
export const WHITE_LABEL_PROJECT_READER: Access = { who: 'partner', mode: 'white-label', projectToken: true }
export const CO_BRANDED_PARTNER: Access = { who: 'partner', mode: 'co-branded' }
/** Operators only. */
export const OPERATOR: Access = { who: 'admin', roles: ['operator'] }
/** Reads of finance, and closing months. */
export const FINANCE: Access = { who: 'admin', roles: ['operator', 'finance'] }
/** Managing ingest keys and their rejected events. */
export const EMITTER_MANAGER: Access = { who: 'admin', roles: ['operator', 'emitter-manager'] }
/** Reads of every role. */
export const ANY_ADMIN: Access = { who: 'admin', roles: ADMIN_ROLES }
/** Operators, and a Prometheus on this machine. */
export const METRICS_READER: Access = { who: 'admin', roles: ['operator'], orThisMachine: true }
/** The admin token itself: a token cannot create another token. */
export const ADMIN_TOKEN_ONLY: Access = { who: 'admin', roles: [] }

/** Throws for a route that does not declare its access: such a route would be open to everyone. */
export function accessOf(route: { readonly url: string; readonly config?: FastifyContextConfig | undefined }): Access {
  const access = route.config?.access
  if (access !== undefined) return access
  // The plugin that serves /docs adds these routes itself.
  if (route.url === '/docs' || route.url.startsWith('/docs/')) return EVERYONE
  throw new Error(`The route ${route.url} does not declare who may call it. Give it \`config: { access: … }\` (api/auth/access.ts).`)
}

/** Whether this request needs a credential of its caller. */
export function needsCredential(request: FastifyRequest, access: Access): access is Exclude<Access, { who: 'everyone' }> {
  if (access.who === 'everyone') return false
  return !(access.who === 'admin' && access.orThisMachine === true && isFromThisMachine(request))
}

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access
  }
}
