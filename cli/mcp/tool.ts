import { z } from 'zod'
import { parseMonth } from '../../metering/month.ts'
import type { Connection } from '../connection/connect.ts'
import type { CredentialKind } from '../connection/credential.ts'
import { CliError, EXIT } from '../errors.ts'
import type { ToolAnswer } from './tool-answer.ts'

/** A tool of the MCP server. It reads and changes nothing. */
export interface Tool {
  readonly name: string
  readonly title: string
  readonly description: string
  /** The credentials with which the tool is offered. */
  readonly kinds: readonly CredentialKind[]
  readonly input: z.ZodObject
  /** Throws CliError, also for arguments that the schema does not allow, and ZodError for an answer of another shape. */
  run(connection: Connection, given: unknown): Promise<ToolOutput>
}

export interface ToolOutput {
  readonly answer: ToolAnswer
  /** The text of a file, beside the answer. */
  readonly file?: string
}

/** Checks a tool against its type, and the arguments of its `run` against its schema. */
export function defineTool<I extends z.ZodObject>(
  tool: Omit<Tool, 'input' | 'run'> & { readonly input: I; run(connection: Connection, given: z.output<I>): Promise<ToolOutput> },
): Tool {
  const { input, run } = tool
  return { ...tool, run: async (connection, given) => run(connection, requireArguments(input, given)) }
}

function requireArguments<I extends z.ZodObject>(input: I, given: unknown): z.output<I> {
  const { data, error } = input.safeParse(given)
  if (error === undefined) return data as z.output<I>
  const [issue] = error.issues
  const place = issue?.path.join('.')
  throw new CliError(`Wrong arguments: ${place ? `${place}: ` : ''}${issue?.message ?? 'they are not an object'}.`, EXIT.error, { code: 'INVALID_ARGUMENTS' })
}

const MonthArgument = z.string().refine((text) => parseMonth(text) !== undefined, 'must be a month as YYYY-MM')

export const REQUIRED_MONTH = MonthArgument.describe('YYYY-MM')

/** The arguments of a tool that reads a period. */
export const PERIOD = {
  month: MonthArgument.optional().describe('A whole month, YYYY-MM. Instead of from and to.'),
  from: z.string().optional().describe('First day, YYYY-MM-DD, UTC. Default: 7 days before the last one.'),
  to: z.string().optional().describe('Last day, inclusive, YYYY-MM-DD, UTC. Default: today.'),
}

export const BYTE_DAYS_TOO = z
  .boolean()
  .default(false)
  .describe('Whether to answer the byte-days of peaks too: the sum of their days, which adds up over projects and over days, as a peak does not.')

/** A finance or operator token reads every partner and names the one; a partner secret reads its own only. */
export const PARTNER_OF_ADMIN = z.string().optional().describe('The partner id. Only with an admin token; a partner reads its own figures.')
