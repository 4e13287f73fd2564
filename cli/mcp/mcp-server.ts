import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { type CallToolRequest, CallToolRequestSchema, type CallToolResult, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import { z } from 'zod'
import type { Connection } from '../connection/connect.ts'
import { CliError, EXIT } from '../errors.ts'
import { exportTool, statement } from './billing-tools.ts'
import { health } from './health-tool.ts'
import { metrics } from './metrics-tool.ts'
import type { Tool, ToolOutput } from './tool.ts'
import { explain, partnershipUsage, projects, projectUsage } from './usage-tools.ts'

const TOOLS: readonly Tool[] = [partnershipUsage, projectUsage, projects, statement, explain, exportTool, metrics, health]

const INSTRUCTIONS =
  'Meterline meters usage and bills it. Every number is a text with all its digits: quote it as it is, and do not compute with floating-point numbers. A peak of a partnership is not the sum of the peaks of its projects: read how_it_adds_up before you add or compare figures. Figures with the status provisional or open can still change; as_of says up to when they are complete.'

export interface McpServer {
  readonly server: Server
  /** Resolves when every call so far is answered. */
  idle(): Promise<void>
}

/** A server of the Model Context Protocol with the tools that these credentials can use; all of them only read. */
export function buildMcpServer(connection: Connection, version: string): McpServer {
  // The SDK's simpler McpServer reports wrong arguments in its own form, without a code and a next step.
  const server = new Server({ name: 'meterline', title: 'Meterline', version }, { capabilities: { tools: {} }, instructions: INSTRUCTIONS })
  const tools = TOOLS.filter(({ kinds }) => kinds.includes(connection.credential.kind))
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: tools.map(describeTool) }))
  const running = new Set<Promise<CallToolResult>>()
  server.setRequestHandler(CallToolRequestSchema, ({ params }) => {
    const call = runTool(connection, tools, params).finally(() => running.delete(call))
    running.add(call)
    return call
  })
  return {
    server,
    idle: async () => {
      await Promise.allSettled(running)
      // The SDK writes the answer after its handler has returned.
      await new Promise((resolve) => setImmediate(resolve))
    },
  }
}

async function runTool(connection: Connection, tools: readonly Tool[], { name, arguments: given = {} }: CallToolRequest['params']): Promise<CallToolResult> {
  try {
    const tool = tools.find((each) => each.name === name)
    if (tool === undefined) throw unknownTool(name, tools)
    return resultOf(await tool.run(connection, given))
  } catch (thrown) {
    return errorOf(thrown)
  }
}

function describeTool({ name, title, description, input }: Tool) {
  const { $schema: _, ...schema } = z.toJSONSchema(input, { io: 'input' })
  return {
    name,
    title,
    description,
    inputSchema: { ...schema, type: 'object' as const },
    annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  }
}

function resultOf({ answer, file }: ToolOutput): CallToolResult {
  const texts = [JSON.stringify(answer), ...(file === undefined ? [] : [file])]
  return { content: texts.map((text) => ({ type: 'text' as const, text })), structuredContent: { ...answer } }
}

/** What went wrong as the result of the tool, in the form of `--json`, so that the model can act on it. */
function errorOf(thrown: unknown): CallToolResult {
  const { message, code, next, requestId, retryable } = asCliError(thrown)
  const error = { error: message, code, next: next ?? nextOf(code, retryable), request_id: requestId ?? null, retryable }
  return { content: [{ type: 'text', text: JSON.stringify(error) }], isError: true }
}

function asCliError(thrown: unknown): CliError {
  if (thrown instanceof CliError) return thrown
  if (thrown instanceof z.ZodError)
    return new CliError('The server is not a Meterline of this version.', EXIT.error, {
      code: 'NOT_METERLINE',
      next: 'Compare "meterline --version" with the tool health.',
    })
  return new CliError(thrown instanceof Error ? thrown.message : String(thrown))
}

function nextOf(code: string, retryable: boolean): string {
  if (retryable) return 'Call the tool again in some seconds.'
  if (code.endsWith('NOT_FOUND')) return 'Check the id: the tool projects lists the projects of the partner, deleted ones included.'
  if (code.startsWith('INVALID') || code.startsWith('PERIOD')) return 'Correct the arguments after the input schema of the tool, and call it again.'
  return 'Report the error to the person you work for; "meterline docs" describes the service.'
}

function unknownTool(name: string, tools: readonly Tool[]): CliError {
  return new CliError(`There is no tool "${name}" for these credentials.`, EXIT.notFound, {
    code: 'UNKNOWN_TOOL',
    next: `There are: ${tools.map((each) => each.name).join(', ')}.`,
  })
}
