import { useEffect, useRef, useState } from 'preact/hooks'
import type { CallFailed, DownloadedFile } from '../calls/call.ts'
import { failureOf } from '../calls/use-answer.ts'
import { saveFile } from '../parts/save-file.ts'
import { type FetchedExport, fetchExport } from './fetch-export.ts'

/** A download as the page shows it. */
export type ExportState =
  | { readonly state: 'none' }
  | { readonly state: 'loading'; readonly what: string; readonly bytes: number }
  | { readonly state: 'saved'; readonly fetched: FetchedExport }
  | { readonly state: 'failed'; readonly failure: CallFailed }

interface Export {
  readonly shown: ExportState
  readonly isBusy: boolean
  /** Downloads and saves; `what` names the file while it is being read. */
  readonly start: (what: string, open: (signal: AbortSignal) => Promise<DownloadedFile>) => void
  readonly cancel: () => void
}

/** One download at a time. Leaving the page ends it. */
export function useExport(): Export {
  const [shown, setShown] = useState<ExportState>({ state: 'none' })
  const running = useRef<AbortController | undefined>(undefined)
  useEffect(() => () => running.current?.abort(), [])
  const start: Export['start'] = (what, open) => {
    running.current?.abort()
    const abort = new AbortController()
    running.current = abort
    const show = (next: ExportState) => {
      if (!abort.signal.aborted) setShown(next)
    }
    show({ state: 'loading', what, bytes: 0 })
    open(abort.signal)
      .then((opened) => fetchExport(opened, (bytes) => show({ state: 'loading', what, bytes })))
      .then(
        (fetched) => {
          if (abort.signal.aborted) return
          saveFile(fetched.file, fetched.name)
          show({ state: 'saved', fetched })
        },
        (error: unknown) => {
          if (!abort.signal.aborted) show({ state: 'failed', failure: failureOf(error) })
        },
      )
  }
  const cancel = () => {
    running.current?.abort()
    setShown({ state: 'none' })
  }
  return { shown, isBusy: shown.state === 'loading', start, cancel }
}
