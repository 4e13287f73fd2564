import type { z } from 'zod'
import type { ERRORS, ErrorCode } from './errors.ts'
import { requestPath } from './request-path.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/**
 * One call of the HTTP interface: what goes in, what comes out, and how it is described. The server validates with it, clients
 * parse with it, and /openapi.json is generated from it.
 */
export interface Operation {
  readonly method: Method
  /** With parameters as `:name`. */
  readonly path: string
  readonly tag: Tag
  readonly summary: string
  readonly description?: string
  readonly params?: z.ZodObject
  readonly query?: z.ZodType
  readonly body?: z.ZodType
  /** What a body may be that no schema validates, because it is read as bytes: by content type, as OpenAPI describes it. */
  readonly rawBody?: Readonly<Record<string, { readonly schema: object }>>
  /** By status, all of them 2xx. A file has one schema for each content type. */
  readonly answers: Readonly<Record<number, z.ZodType | FileAnswer>>
  readonly errors: ErrorStatuses
  /** The shape of its errors, where it is not the usual one. */
  readonly errorBody?: z.ZodType
  readonly example: Example
}

export interface FileAnswer {
  readonly description: string
  readonly content: Readonly<Record<string, { readonly schema: z.ZodType }>>
}

/** A request and its answers. A test holds each to its schema. */
export interface Example {
  readonly request?: object
  /** By status. */
  readonly answers: Readonly<Record<number, object>>
  /** The first lines of a file, by content type. */
  readonly files?: Readonly<Record<string, string>>
}

/**
 * The error statuses that an operation answers with. A code is the error that a caller most likely meets under that status;
 * `true` is the usual one: what is not found or in conflict differs from one operation to the next and needs a code.
 */
export interface ErrorStatuses {
  readonly 400?: true
  readonly 401?: true
  readonly 403?: true | CodeOf<403>
  readonly 404?: CodeOf<404>
  readonly 409?: CodeOf<409>
  readonly 413?: true
  readonly 415?: true
  readonly 429?: true
  readonly 500?: true
  readonly 503?: true | CodeOf<503>
}

/** The error codes of one status, so that no example can be of another. */
type CodeOf<Status extends number> = { [Code in ErrorCode]: (typeof ERRORS)[Code]['status'] extends Status ? Code : never }[ErrorCode]

/** Checks the definition against its type and keeps its exact shape, from which the types of requests and answers are inferred. */
export function defineOperation<const O extends Operation>(operation: O): O {
  return operation
}

type Parsed<S> = S extends z.ZodType ? z.output<S> : unknown

export type ParamsOf<O extends Operation> = Parsed<O['params']>
export type QueryOf<O extends Operation> = Parsed<O['query']>
export type BodyOf<O extends Operation> = Parsed<O['body']>
export type AnswerOf<O extends Operation> = Parsed<O['answers'][keyof O['answers']]>

type Written<S> = S extends z.ZodType ? z.input<S> : undefined

/** What a client sends: values of path parameters, of the query and the body. Parts that an operation does not have are left out. */
export interface RequestInput<O extends Operation> {
  readonly params?: Written<O['params']> | undefined
  readonly query?: Written<O['query']> | undefined
  readonly body?: (O['rawBody'] extends object ? unknown : Written<O['body']>) | undefined
}

/** The path of a call with its parameters and its query. */
export function urlOf<O extends Operation>({ path }: O, request: RequestInput<O>): string {
  return requestPath(path, request)
}

/** The tags of /openapi.json, in their order there. */
export const TAGS = {
  events: 'Platforms send usage.',
  usage: 'Partners read usage.',
  projects: 'Partners manage their projects.',
  statements: 'What is billed, month by month.',
  admin: 'Operators and finance run the service: partners, projects, accounts, credentials, audits.',
  secrets: 'Operators keep secrets, encrypted.',
  schedules: 'Calls and deliveries at set times.',
  webhooks: 'Messages to your systems: where they are sent, and the values of usage at which they are.',
  logs: 'The event logs, and how to recover from an incident.',
  'audit log': 'Who changed what, and who read a secret.',
  operating: 'For supervisors and load balancers.',
} as const

export type Tag = keyof typeof TAGS
