import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance, FastifySchema, RouteHandlerMethod, RouteOptions } from 'fastify'
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod'
import type { AdminRole } from '../../contract/lists.ts'
import { TAGS } from '../../contract/operation.ts'
import { type Access, accessOf, EVERYONE } from '../auth/access.ts'
import { prepareAnswer } from '../http/etag.ts'
import { ANSWER_HEADERS, completeOperations, describedName } from './described-operations.ts'
import { withEarlyAnswers } from './early-answers.ts'
import { withOptionalBodies } from './optional-bodies.ts'

/** Serves /openapi.json, generated from the contract, and a page at /docs to read it and try it. */
export async function describeApi(app: FastifyInstance, publicUrl: string): Promise<void> {
  const routes = new Map<string, RouteOptions>()
  app.addHook('onRoute', (route) => {
    for (const method of [route.method].flat()) routes.set(describedName(method, route.url), route)
  })
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Meterline',
        version: '1',
        description: 'Usage metering and billing analytics. Quantities are exact decimals: read them with a parser that keeps their digits.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: publicUrl }, { url: '/', description: 'The server of this document.' }],
      tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
      components: {
        headers: ANSWER_HEADERS,
        securitySchemes: {
          partnerSecret: { type: 'apiKey', in: 'header', name: 'X-Partnership-Secret' },
          ingestKey: { type: 'http', scheme: 'bearer', description: 'An ingest key.' },
          adminToken: { type: 'http', scheme: 'bearer', description: 'The admin token, or an admin JWT of a role that is allowed the call.' },
          projectToken: { type: 'http', scheme: 'bearer', description: 'The ten-minute code of POST …/authorization, for its own project.' },
          partnerToken: { type: 'http', scheme: 'bearer', description: 'The token of POST …/tokens, which reads usage and bills of its own partner.' },
        },
      },
    },
    transform: (document) => withSecurity(document.route, withDocumentedBody(jsonSchemaTransform(withEarlyAnswers(document)))),
    transformObject: (document) => completeOperations(withOptionalBodies(jsonSchemaTransformObject(document)), routes),
  })
  const answer = describedOnce(app)
  app.get('/openapi.json', { config: { access: EVERYONE }, schema: { hide: true } }, answer)
  // The page's own copies: the plugin would write the document again for every request.
  app.addHook('onRoute', (route) => {
    if (route.url === '/docs/json' || route.url === '/docs/yaml') route.handler = answer
  })
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    // The plugin's own policy has upgrade-insecure-requests, with which the page is blank over plain http.
    staticCSP: DOCS_CSP,
    // Not even the address of the document is sent to another server.
    uiConfig: { validatorUrl: null },
    theme: { title: 'Meterline API', css: [{ filename: 'meterline.css', content: '.topbar { display: none }' }] },
  })
}

/**
 * JSON is YAML too. The document is generated for the first request that asks for it: that takes about half a second of CPU time, which
 * every start of a process would spend otherwise.
 */
function describedOnce(app: FastifyInstance): RouteHandlerMethod {
  let answer: ReturnType<typeof prepareAnswer> | undefined
  return (request, reply) => {
    answer ??= prepareAnswer(JSON.stringify(app.swagger()))
    return answer(request, reply)
  }
}

const DOCS_CSP = {
  'default-src': "'self'",
  'base-uri': "'self'",
  'font-src': ["'self'", 'data:'],
  'frame-ancestors': "'self'",
  'img-src': ["'self'", 'data:'],
  'object-src': "'none'",
  'script-src': "'self'",
  'script-src-attr': "'none'",
  'style-src': "'self'",
}

/** The credentials and roles of a route come from its declared access. */
function withSecurity<T extends { schema: FastifySchema }>(route: RouteOptions, transformed: T): T {
  const access = accessOf(route)
  if (access.who === 'everyone') return transformed
  const security = schemesOf(access)
  if (access.who !== 'admin') return { ...transformed, schema: { ...transformed.schema, security } }
  const description = [transformed.schema.description, whoMay(access.roles)].filter((each) => each !== undefined).join(' ')
  return { ...transformed, schema: { ...transformed.schema, security, description } }
}

function whoMay(roles: readonly AdminRole[]): string {
  return roles.length === 0 ? 'Called with the admin token alone.' : `Called with the admin token, or a token of the role ${roles.join(' or ')}.`
}

function schemesOf(access: Exclude<Access, { who: 'everyone' }>): Record<string, string[]>[] {
  if (access.who === 'emitter') return [{ ingestKey: [] }]
  if (access.who === 'admin') return [{ adminToken: [] }]
  const tokens = [...(access.projectToken === true ? [{ projectToken: [] }] : []), ...(access.partnerToken === true ? [{ partnerToken: [] }] : [])]
  return [{ partnerSecret: [] }, ...tokens]
}

/** A route that reads its body as bytes has no schema that validates it, only one that describes it. */
function withDocumentedBody<T extends { schema: FastifySchema }>(transformed: T): T {
  const { documentedBody, ...schema } = transformed.schema
  return documentedBody === undefined ? transformed : { ...transformed, schema: { ...schema, body: { content: documentedBody } } }
}

declare module 'fastify' {
  interface FastifySchema {
    documentedBody?: Record<string, { schema: object }>
  }
}
