/** The methods of a logger that all modules use. A pino logger has them. */
export interface Logger {
  info(details: object, message: string): void
  warn(details: object, message: string): void
  error(details: object, message: string): void
}
