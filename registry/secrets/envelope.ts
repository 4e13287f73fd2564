import { type MasterKey, type MasterKeys, newDataKey, seal, unseal } from '../keys/sealing.ts'

/** A value under a data key of its own, and that under MASTER_KEY: exchanging the master key touches no value. */
export interface Envelope {
  readonly sealedDataKey: string
  readonly sealedValue: string
}

/** Where an envelope belongs. Both are bound to it: put into another secret's row it does not open. */
export interface SecretLocation {
  readonly id: string
  readonly key: string
}

/** Every value gets a new data key, so that an older envelope of the same secret does not open beside a newer one. */
export function sealValue(masterKeys: MasterKeys, place: SecretLocation, value: string): Envelope {
  const dataKey = newDataKey()
  return {
    sealedDataKey: seal(masterKeys, dataKey, dataKeyPurpose(place)),
    sealedValue: seal({ current: dataKey }, Buffer.from(value, 'utf8'), valuePurpose(place)),
  }
}

/** Throws SealBroken. */
export function openValue(masterKeys: MasterKeys, place: SecretLocation, { sealedDataKey, sealedValue }: Envelope): string {
  const dataKey = unseal(masterKeys, sealedDataKey, dataKeyPurpose(place)) as MasterKey
  return unseal({ current: dataKey, previous: undefined }, sealedValue, valuePurpose(place)).toString('utf8')
}

/** The same data key under MASTER_KEY as it is now. Throws SealBroken. */
export function resealedDataKey(masterKeys: MasterKeys, place: SecretLocation, { sealedDataKey }: Envelope): string {
  return seal(masterKeys, unseal(masterKeys, sealedDataKey, dataKeyPurpose(place)), dataKeyPurpose(place))
}

function dataKeyPurpose({ id, key }: SecretLocation): string {
  return JSON.stringify(['secret data key', id, key])
}

function valuePurpose({ id, key }: SecretLocation): string {
  return JSON.stringify(['secret value', id, key])
}
