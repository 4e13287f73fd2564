import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../../metering/logger.ts'
import type { IdentityScope } from './filter-scans.ts'
import type { IdentityFilter } from './identity-filter.ts'
import type { IdentityHash } from './identity-hash.ts'
import type { KnownIdentities } from './known-identities.ts'

export interface LogFilterOptions {
  readonly name: string
  /** Which identities can arrive in the log. */
  readonly scope: IdentityScope
  readonly identities: KnownIdentities
  readonly logger: Logger
}

/** The filter of one log, which is filled in the background, and replaced by a new one when it has grown. */
export class LogFilter {
  readonly #options: LogFilterOptions
  #filter: IdentityFilter
  /** Replaces the filter once it contains all that is stored: it has one layer again, and so fewer false positives. */
  #successor: IdentityFilter | undefined
  #filling = new AbortController()
  /** Hashes of the batch that is being written: a filter that is filled meanwhile may not find them in the store. */
  #inFlight: readonly IdentityHash[] = []

  constructor(options: LogFilterOptions) {
    this.#options = options
    this.#filter = options.identities.newFilter(0)
  }

  /** The filter to ask. Call it when nothing is in flight. */
  get current(): IdentityFilter {
    if (this.#filter.layers > LAYERS_MAX) this.#renew()
    return this.#filter
  }

  get complete(): boolean {
    return this.#filter.complete
  }

  stats() {
    const { identities, bytes, complete, full } = this.#filter
    return { filterIdentities: identities, filterBytes: bytes, filterComplete: complete, filterFull: full }
  }

  /** Adds the identities of a batch before it is sent: should its answer be lost, they must not pass as certainly new. */
  add(newHashes: readonly IdentityHash[]): void {
    this.#inFlight = newHashes
    for (const hash of newHashes) {
      this.#filter.add(hash)
      this.#successor?.add(hash)
    }
  }

  /** Starts again with an empty filter. Call it when everything that earlier owners stored is in the index. Throws StoreError. */
  async restart(): Promise<void> {
    const { identities, scope } = this.#options
    this.close()
    const expected = (await identities.count(scope)) * HEADROOM
    this.#inFlight = []
    this.#filter = identities.newFilter(expected)
    void this.#fill(this.#filter, (again) => {
      this.#filter = again
    })
  }

  /** Ends what runs in the background and releases the memory. From then on every answer is "maybe". */
  close(): void {
    this.#filling.abort()
    this.#filling = new AbortController()
    this.#filter.release()
    this.#successor?.release()
    this.#successor = undefined
  }

  /** Identities that are not stored yet are added to both filters. If there is no memory for a second one, the layers stay. */
  #renew(): void {
    const { identities } = this.#options
    const expected = this.#filter.identities * HEADROOM
    if (this.#successor !== undefined || !this.#filter.complete || this.#filter.full || !identities.hasRoomFor(expected)) return
    const successor = identities.newFilter(expected)
    this.#successor = successor
    const replace = (again: IdentityFilter) => {
      this.#successor = again
    }
    void this.#fill(successor, replace).then((filled) => {
      if (filled === undefined) return
      this.#filter.release()
      this.#filter = filled
      this.#successor = undefined
    })
  }

  /**
   * Fills a filter and returns it, undefined if the filters were dropped meanwhile. A busy store may answer later, so a fill that failed
   * is repeated, with a new filter: the old one has a part of the identities, and would have them twice.
   */
  async #fill(first: IdentityFilter, replace: (again: IdentityFilter) => void): Promise<IdentityFilter | undefined> {
    const { identities, scope, logger, name } = this.#options
    const { signal } = this.#filling
    for (let filter = first; ; ) {
      try {
        await identities.fill({ filter, scope, signal })
        if (signal.aborted) return undefined
        filter.complete = true
        return filter
      } catch (error) {
        if (signal.aborted) return undefined
        logger.warn({ err: error, log: name }, 'the identity filter could not be filled yet; every event is looked up')
      }
      await sleep(identities.retryMs, undefined, { signal, ref: false }).catch(() => {})
      if (signal.aborted) return undefined
      const expected = filter.identities * HEADROOM
      filter.release()
      filter = identities.newFilter(expected)
      for (const hash of this.#inFlight) filter.add(hash)
      replace(filter)
    }
  }
}

const HEADROOM = 1.1
const LAYERS_MAX = 2
