/** Kafka's name of an error, such as MESSAGE_TOO_LARGE; '' for any other error. */
export function typeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'type' in error ? String(error.type) : ''
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
