import { type MasterKey, type MasterKeys, newDataKey, seal, unseal } from '../keys/sealing.ts'

/** A value sealed with its own data key, which is sealed with MASTER_KEY, so that exchanging the master key touches no value. */
export interface Envelope {
  readonly sealedDataKey: string
  readonly sealedValue: string
}

/** The secret an envelope belongs to. Both sealed texts are bound to it: copied into another secret's row, they do not open. */
export interface SecretLocation {
  readonly id: string
  readonly key: string
}

/** Every value gets a new data key, so that an older sealed value does not open with a newer data key of the same secret. */
export function sealValue(masterKeys: MasterKeys, location: SecretLocation, value: string): Envelope {
  const dataKey = newDataKey()
  return {
    sealedDataKey: seal(masterKeys, dataKey, dataKeyPurpose(location)),
    sealedValue: seal({ current: dataKey }, Buffer.from(value, 'utf8'), valuePurpose(location)),
  }
}

/** Throws SealBroken. */
export function openValue(masterKeys: MasterKeys, location: SecretLocation, { sealedDataKey, sealedValue }: Envelope): string {
  const dataKey = unseal(masterKeys, sealedDataKey, dataKeyPurpose(location)) as MasterKey
  return unseal({ current: dataKey, previous: undefined }, sealedValue, valuePurpose(location)).toString('utf8')
}

/** The same data key, sealed with the current MASTER_KEY. Throws SealBroken. */
export function resealedDataKey(masterKeys: MasterKeys, location: SecretLocation, { sealedDataKey }: Envelope): string {
  return seal(masterKeys, unseal(masterKeys, sealedDataKey, dataKeyPurpose(location)), dataKeyPurpose(location))
}

function dataKeyPurpose({ id, key }: SecretLocation): string {
  return JSON.stringify(['secret data key', id, key])
}

function valuePurpose({ id, key }: SecretLocation): string {
  return JSON.stringify(['secret value', id, key])
}
