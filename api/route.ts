import type { FastifyContextConfig, FastifyInstance, FastifyReply, FastifyRequest, RouteShorthandOptions } from 'fastify'
import { ErrorBody } from '../contract/errors.ts'
import type { AnswerOf, BodyOf, Operation, ParamsOf, QueryOf } from '../contract/operation.ts'
import type { Access } from './auth/access.ts'

/** A request of an operation, checked against its schemas. */
export type RequestOf<O extends Operation> = FastifyRequest<{ Params: ParamsOf<O>; Querystring: QueryOf<O>; Body: BodyOf<O> }>

type Handler<O extends Operation> = (request: RequestOf<O>, reply: FastifyReply) => AnswerOf<O> | Promise<AnswerOf<O> | FastifyReply> | FastifyReply

/** What a route needs beside its operation. `access` says who may call it. */
export interface RouteOptions
  extends Omit<FastifyContextConfig, 'access' | 'operation'>,
    Pick<RouteShorthandOptions, 'bodyLimit' | 'exposeHeadRoute' | 'schemaErrorFormatter'> {
  readonly access: Access
}

/**
 * Serves an operation of the contract. The answer that the handler returns is checked against the operation's schema and sent
 * with its status; where there are several, or a file, the handler sends it itself.
 */
export function addRoute<O extends Operation>(app: FastifyInstance, operation: O, options: RouteOptions, handler: Handler<O>): void {
  const { bodyLimit, exposeHeadRoute, schemaErrorFormatter, ...config } = options
  const statuses = Object.keys(operation.answers).map(Number)
  app.route({
    method: operation.method,
    url: operation.path,
    ...(bodyLimit === undefined ? {} : { bodyLimit }),
    ...(exposeHeadRoute === undefined ? {} : { exposeHeadRoute }),
    ...(schemaErrorFormatter === undefined ? {} : { schemaErrorFormatter }),
    config: { ...config, operation },
    schema: schemaOf(operation),
    handler: async (request, reply) => {
      const answer = await handler(request as RequestOf<O>, reply)
      if (!reply.sent && statuses.length === 1 && reply.statusCode === 200) reply.code(statuses[0] ?? 200)
      return answer
    },
  })
}

function schemaOf({ tag, summary, description, params, query, body, rawBody, answers, errors, errorBody = ErrorBody }: Operation) {
  return {
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    ...(params === undefined ? {} : { params }),
    ...(query === undefined ? {} : { querystring: query }),
    ...(body === undefined ? {} : { body }),
    ...(rawBody === undefined ? {} : { documentedBody: rawBody }),
    response: { ...answers, ...Object.fromEntries(Object.keys(errors).map((status) => [status, errorBody])) },
  }
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the route serves; routes of plugins, such as the page at /docs, serve none. */
    operation?: Operation
  }
}
