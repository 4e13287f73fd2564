import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'

export interface TestCertificates {
  /** The certificate of a certificate authority that no system knows. PEM, like all of these. */
  readonly ca: string
  /** A certificate for the name localhost, signed by the authority. */
  readonly cert: string
  readonly key: string
}

/** Makes certificates without a tool: Node signs, but cannot write certificates (RFC 5280, in DER). */
export function makeTestCertificates(): TestCertificates {
  const authority = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const server = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const issuer = { name: 'Meterline test CA', key: authority.privateKey }
  const isAuthority = extension([0x55, 0x1d, 0x13], sequence(TRUE), TRUE)
  const forLocalhost = extension([0x55, 0x1d, 0x11], sequence(der(0x82, Buffer.from('localhost'))))
  return {
    ca: certificate({ issuer, subject: issuer.name, serial: 1, publicKey: authority.publicKey, extensions: [isAuthority] }),
    cert: certificate({ issuer, subject: 'localhost', serial: 2, publicKey: server.publicKey, extensions: [forLocalhost] }),
    key: server.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

interface CertificateContent {
  readonly issuer: { readonly name: string; readonly key: KeyObject }
  readonly subject: string
  readonly serial: number
  readonly publicKey: KeyObject
  readonly extensions: readonly Buffer[]
}

function certificate({ issuer, subject, serial, publicKey, extensions }: CertificateContent): string {
  const version = der(0xa0, der(0x02, Buffer.from([2])))
  const validity = sequence(der(0x17, Buffer.from('200101000000Z')), der(0x17, Buffer.from('491231235959Z')))
  const signed = sequence(
    ...[version, der(0x02, Buffer.from([serial])), ECDSA_WITH_SHA256, nameOf(issuer.name), validity, nameOf(subject)],
    ...[publicKey.export({ type: 'spki', format: 'der' }), der(0xa3, sequence(...extensions))],
  )
  const signature = der(0x03, Buffer.from([0]), sign('sha256', signed, issuer.key))
  const lines =
    sequence(signed, ECDSA_WITH_SHA256, signature)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

function nameOf(commonName: string): Buffer {
  return sequence(der(0x31, sequence(objectId(0x55, 0x04, 0x03), der(0x0c, Buffer.from(commonName)))))
}

function extension(id: readonly number[], value: Buffer, ...critical: readonly Buffer[]): Buffer {
  return sequence(objectId(...id), ...critical, der(0x04, value))
}

const objectId = (...bytes: number[]): Buffer => der(0x06, Buffer.from(bytes))
const sequence = (...parts: Buffer[]): Buffer => der(0x30, ...parts)

/** A value with its tag and length. */
function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  const lengthBytes = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...lengthBytes]), content])
}

const TRUE = der(0x01, Buffer.from([0xff]))
const ECDSA_WITH_SHA256 = sequence(objectId(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02))
