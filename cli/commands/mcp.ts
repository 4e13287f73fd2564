import { type CommandRegistration, withExamples } from '../command.ts'
import { connect, requirePartnerId } from '../connection/connect.ts'
import { printNote } from '../output.ts'
import type { Session } from '../session.ts'

export const mcpCommand: CommandRegistration = (program, run) => {
  withExamples(
    program
      .command('mcp')
      .description('serve read-only tools for an agent with the Model Context Protocol, on stdin and stdout (docs/mcp.md)')
      .option('--partner <id>', 'the partner; default: that of the credentials')
      .action((own: { partner?: string }) => run((session) => serveMcp(session, { ...own, version: program.version() ?? '' }))),
    ['meterline mcp', 'started by an agent, with the stored credentials'],
    ['meterline mcp --profile finance', 'with other credentials'],
    ['claude mcp add meterline -- meterline mcp', 'add it to an agent'],
  )
}

/** Serves until stdin ends and every call is answered. Only the protocol is written to stdout. Throws CliError without credentials of a partner or an admin. */
async function serveMcp(session: Session, { partner, version }: { partner?: string; version: string }): Promise<void> {
  const connection = connect(session, ['partner', 'admin'], { partner })
  if (connection.credential.kind === 'partner') requirePartnerId(connection)
  const { StdioServerTransport } = await import('@modelcontextprotocol/sdk/server/stdio.js')
  const { buildMcpServer } = await import('../mcp/mcp-server.ts')
  const { server, idle } = buildMcpServer(connection, version)
  const closed = new Promise<void>((resolve) => {
    server.onclose = resolve
  })
  process.stdin.once('end', () => void idle().then(() => server.close()))
  await server.connect(new StdioServerTransport())
  if (process.stdin.isTTY === true) printNote(session, 'An agent speaks to this command on stdin. How to add it to one: meterline docs mcp')
  await closed
}
