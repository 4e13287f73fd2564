/** How a command was called: its environment and the options that every command has. */
export interface Session extends OutputOptions {
  readonly environment: NodeJS.ProcessEnv
  /** Answers every confirmation with yes. */
  readonly yes?: boolean | undefined
  /** Where the service is reached. */
  readonly url?: string | undefined
  /** The name of stored credentials. */
  readonly profile?: string | undefined
}

export interface OutputOptions {
  /** Print for programs: JSON on stdout, errors as JSON on stderr, and no question. */
  readonly json?: boolean | undefined
}
