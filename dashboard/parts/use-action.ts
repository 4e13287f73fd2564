import { useState } from 'preact/hooks'
import type { CallFailed } from '../calls/call.ts'
import { failureOf } from '../calls/use-answer.ts'

/** A change that a person asks for: not begun, being carried out, failed with the reason, or done. */
export interface Action<T> {
  readonly isBusy: boolean
  readonly failure: CallFailed | undefined
  readonly result: T | undefined
  /** Undefined if it failed; `failure` says why. */
  readonly run: (act: () => Promise<T>) => Promise<T | undefined>
  /** Forgets the failure or the result: what is asked for is another one now. */
  readonly reset: () => void
}

export function useAction<T>(): Action<T> {
  const [state, setState] = useState<Omit<Action<T>, 'run' | 'reset'>>(IDLE)
  const run = async (act: () => Promise<T>): Promise<T | undefined> => {
    setState({ ...IDLE, isBusy: true })
    try {
      const result = await act()
      setState({ ...IDLE, result })
      return result
    } catch (error) {
      setState({ ...IDLE, failure: failureOf(error) })
      return undefined
    }
  }
  return { ...state, run, reset: () => setState(IDLE) }
}

const IDLE = { isBusy: false, failure: undefined, result: undefined }
