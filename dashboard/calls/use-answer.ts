import { useEffect, useState } from 'preact/hooks'
import { endSession, session } from '../session/session.ts'
import { CallFailed } from './call.ts'

/** What a page shows of a query: nothing yet, an answer, or why there is none. An answer stays while a newer one is read. */
export type Answer<T> =
  | { readonly state: 'loading' }
  | { readonly state: 'ready'; readonly value: T; readonly isRefreshing: boolean; readonly staleBecause?: CallFailed | undefined }
  | { readonly state: 'failed'; readonly failure: CallFailed }

export type Loaded<T> = Answer<T> & { readonly reload: () => void }

/**
 * Reads when the page appears, and again when `key` changes. The key must name everything the query depends on. An answer to an
 * earlier key is not shown: its numbers would stand under the period of another.
 */
export function useAnswer<T>(key: string, read: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const [round, setRound] = useState(0)
  const [held, setHeld] = useState<{ key: string; answer: Answer<T> }>({ key, answer: { state: 'loading' } })
  useEffect(() => {
    const abort = new AbortController()
    setHeld((before) => ({ key, answer: before.key === key ? refreshing(before.answer) : { state: 'loading' } }))
    read(abort.signal).then(
      (value) => !abort.signal.aborted && setHeld({ key, answer: { state: 'ready', value, isRefreshing: false } }),
      (error: unknown) => !abort.signal.aborted && setHeld((before) => ({ key, answer: afterFailure(before.answer, failureOf(error)) })),
    )
    return () => abort.abort()
  }, [key, round])
  const reload = () => setRound((before) => before + 1)
  return { ...(held.key === key ? held.answer : { state: 'loading' }), reload }
}

function refreshing<T>(answer: Answer<T>): Answer<T> {
  return answer.state === 'ready' ? { ...answer, isRefreshing: true } : { state: 'loading' }
}

function afterFailure<T>(before: Answer<T>, failure: CallFailed): Answer<T> {
  return before.state === 'ready' ? { ...before, isRefreshing: false, staleBecause: failure } : { state: 'failed', failure }
}

/**
 * A credential that is not valid any more ends its session, and not the next one, in which a late answer may arrive. Everything that is no
 * answer of the service is a fault of the page.
 */
export function failureOf(error: unknown): CallFailed {
  if (!(error instanceof CallFailed)) {
    reportError(error)
    return new CallFailed({ status: 0, code: 'PAGE_FAULT', message: 'The page could not read this answer. Reload it; if it stays, report it.' })
  }
  if (error.status === 401 && error.credential === session.value?.credential)
    endSession('Your credential is not valid any more: it has expired or was revoked. Sign in again.')
  return error
}
