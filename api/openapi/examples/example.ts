/** What is asked and answered in an example of the API description. A test holds each to its schema. */
export interface Example {
  readonly request?: object
  /** By status. */
  readonly answers: Readonly<Record<number, object>>
  /** Of a file its first lines, by their type. */
  readonly files?: Readonly<Record<string, string>>
}

/** By method and path, as the description writes them. */
export type Examples = Readonly<Record<string, Example>>

/** The one world that all examples are of. */
export const PARTNER_ID = 'ps_4fUeW9xKq2Lb'
export const ACCOUNT_ID = '7d3c1c0e-52b4-5d0f-9a41-0c6a4f1f7b10'
export const PROJECT_ID = '0b9f2f34-8c1d-5b52-9f0e-6f3a5e2d7c88'
export const PROJECT_NAME = 'shop-production'

/** Of nothing and nobody. */
export const API_KEY = 'mlk_EXAMPLExEXAMPLExEXAMPLExEXAMPLExEXAMPLExEXA_000000'
export const PARTNER_SECRET = 'mls_EXAMPLExEXAMPLExEXAMPLExEXAMPLExEXAMPLExEXA_000000'
export const INGEST_KEY = 'mli_EXAMPLExEXAMPLExEXAMPLExEXAMPLExEXAMPLExEXA_000000'

export const JANUARY = { start: '2026-01-01T00:00:00Z', end: '2026-01-31T23:59:59Z' }
export const IN_FEBRUARY = '2026-02-04T09:30:00Z'
