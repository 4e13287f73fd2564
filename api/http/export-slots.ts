import { KeyedSemaphore, type Release } from './keyed-semaphore.ts'

const FINANCE_EXPORTS_MAX = 2
const PARTNER_EXPORTS_MAX = 2
const NO_WAITING = { waitingPerKeyMax: 0, waitMsMax: 0 }

/**
 * Limits the exports that run in a process; one more is rejected with EXPORTS_BUSY. Finance and partners have slots of their own, so
 * that partners who read slowly do not delay finance, and each partner has one at a time, so that none delays the others.
 */
export class ExportSlots {
  readonly #finance = new KeyedSemaphore({ perKeyMax: FINANCE_EXPORTS_MAX, totalMax: FINANCE_EXPORTS_MAX, ...NO_WAITING })
  readonly #partners = new KeyedSemaphore({ perKeyMax: 1, totalMax: PARTNER_EXPORTS_MAX, ...NO_WAITING })

  ofFinance(): Release | undefined {
    return this.#finance.tryAcquire('finance')
  }

  ofPartner(partnerId: string): Release | undefined {
    return this.#partners.tryAcquire(partnerId)
  }
}
