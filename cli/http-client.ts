import { CliError, EXIT, type ExitCode } from './output.ts'

const EXIT_OF_STATUS: Record<number, ExitCode> = { 401: EXIT.notAuthenticated, 403: EXIT.permissionDenied, 404: EXIT.notFound }

export interface ServiceAddress {
  readonly url: string
  readonly token: string
}

/** Where the running service is and who asks: METERLINE_URL and METERLINE_ACCESS_TOKEN. Throws CliError. */
export function readServiceAddress(environment: NodeJS.ProcessEnv): ServiceAddress {
  // Docker and shells pass an unset variable as an empty one.
  const url = environment['METERLINE_URL'] || 'http://127.0.0.1:8080'
  const token = environment['METERLINE_ACCESS_TOKEN'] ?? ''
  if (!URL.canParse(url)) throw new CliError(`METERLINE_URL "${url}" is not a URL.`)
  if (!/^[!-~]+$/.test(token)) {
    throw new CliError(
      'Not authenticated. Set METERLINE_ACCESS_TOKEN to the admin token; in embedded mode it is the text of the file admin-token in DATA_DIR.',
      EXIT.notAuthenticated,
    )
  }
  return { url, token }
}

/** Calls the running service. Throws CliError with the exit code that the answer stands for. */
export async function call(address: ServiceAddress, method: string, path: string, body?: unknown): Promise<unknown> {
  const response = await fetch(new URL(path, address.url), {
    method,
    headers: { authorization: `Bearer ${address.token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  }).catch((cause: unknown) => {
    throw new CliError(`No Meterline answers at ${address.url} (${describeCause(cause)}). Start one with "meterline start", or set METERLINE_URL.`)
  })
  const answer: unknown = await response.json().catch(() => undefined)
  if (response.ok && answer === undefined) throw new CliError(`What answers at ${address.url} is not Meterline. Set METERLINE_URL.`)
  if (response.ok) return answer
  throw new CliError(messageOf(answer) ?? `The service answered ${response.status}.`, EXIT_OF_STATUS[response.status] ?? EXIT.error)
}

function messageOf(answer: unknown): string | undefined {
  if (typeof answer !== 'object' || answer === null || !('message' in answer)) return undefined
  return String(answer.message)
}

function describeCause(cause: unknown): string {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
  return inner instanceof Error ? inner.message || inner.name : String(inner)
}
