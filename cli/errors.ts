/** Exit codes of every command. Scripts rely on them. */
export const EXIT = { ok: 0, error: 1, notAuthenticated: 2, projectNotLinked: 3, notFound: 4, permissionDenied: 5 } as const
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** What `--json` reports as `code` where the service gave none. */
const CODE_OF_EXIT: Readonly<Record<ExitCode, string>> = {
  0: 'OK',
  1: 'ERROR',
  2: 'NOT_AUTHENTICATED',
  3: 'PROJECT_NOT_LINKED',
  4: 'NOT_FOUND',
  5: 'PERMISSION_DENIED',
}

export interface ErrorDetails {
  /** Stable, for programs: the code of the service's answer, or one of this program. */
  readonly code?: string | undefined
  /** What to do now, as a sentence, where the message does not say it. */
  readonly next?: string | undefined
  /** The id of the request in the service's log. */
  readonly requestId?: string | undefined
  /** Whether the same call can succeed later. */
  readonly retryable?: boolean | undefined
}

/** An expected failure: its message is for the person at the terminal. */
export class CliError extends Error {
  readonly exitCode: ExitCode
  readonly code: string
  readonly next: string | undefined
  readonly requestId: string | undefined
  readonly retryable: boolean

  constructor(message: string, exitCode: ExitCode = EXIT.error, { code, next, requestId, retryable = false }: ErrorDetails = {}) {
    super(message)
    this.name = 'CliError'
    this.exitCode = exitCode
    this.code = code ?? CODE_OF_EXIT[exitCode]
    this.next = next
    this.requestId = requestId
    this.retryable = retryable
  }
}

/** A mistake in the call itself. */
export function usageError(message: string, next?: string): CliError {
  return new CliError(message, EXIT.error, { code: 'INVALID_USAGE', next })
}
