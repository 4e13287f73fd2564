import type { SeededPartners } from './seed-partners.ts'
import type { Shards } from './sharded-stores.ts'

interface Answering {
  readonly shards: Shards
  readonly partners: SeededPartners
}

/** Throws unless every store gave the text of the store of one server, apart from what differs from service to service. */
export function sameEverywhere(answers: ReadonlyMap<Answering, string>): void {
  const compared = [...answers].map(([store, text]) => ({ shards: store.shards, text: comparable(text, store.partners) }))
  const whole = compared.find(({ shards }) => shards === 1)
  if (whole === undefined || whole.text === '') throw new Error('The store of one server did not answer.')
  for (const { shards, text } of compared)
    if (text !== whole.text) throw new Error(`${shards} shards answered ${text.slice(0, 1_000)}\nand one server ${whole.text.slice(0, 1_000)}`)
}

/** Names are compared, ids were chosen at random. */
function comparable(text: string, partners: SeededPartners): string {
  const named = partners.reduce((left, { partnerId }, index) => left.replaceAll(partnerId, `partner ${index}`), text)
  return named.replaceAll(/"as_of":("[^"]*"|null)/g, '"as_of":…')
}
