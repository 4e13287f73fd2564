/** Where objects are delivered to. */
export interface Sink {
  /** Stores a complete object under its name, or nothing. Throws what node:fs throws while it reads `file`. */
  put(object: DeliveredObject): Promise<PutOutcome>
}

export interface DeliveredObject {
  /** Parts separated by "/". */
  readonly name: string
  readonly contentType: string
  /** The path of the file that has its bytes. */
  readonly file: string
  readonly bytes: number
}

export type PutOutcome =
  | { readonly status: 'stored' }
  | { readonly status: 'failed'; readonly statusCode: number | null; readonly reason: string }
  /** The process stops. */
  | { readonly status: 'stopped' }
