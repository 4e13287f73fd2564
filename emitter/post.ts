/** Makes one attempt to send events, given as JSON texts. Never rejects. */
export type Post = (texts: readonly string[], signal: AbortSignal | undefined) => Promise<PostResult>

export type PostResult =
  /** There is an outcome for every event. `duplicates` is undefined if they are detected later (with Kafka). */
  | { readonly status: 'answered'; readonly accepted: number; readonly duplicates: number | undefined; readonly rejected: readonly RejectedInRequest[] }
  /** 413: send fewer at a time. */
  | { readonly status: 'too_large'; readonly message: string }
  /** No answer, or one that says to try again: 408, 429, 5xx. */
  | { readonly status: 'try_again'; readonly httpStatus: number | undefined; readonly message: string; readonly retryAfterMs: number | undefined }
  /** An answer that will be the same next time, until a person changes something: the key, the address. */
  | { readonly status: 'refused'; readonly httpStatus: number; readonly code: string | undefined; readonly message: string }

export interface RejectedInRequest {
  /** Position in the request, starting at 0. */
  readonly index: number
  readonly reason: string
  readonly message: string
}
