import type { LookupAddress } from 'node:dns'
import { lookup } from 'node:dns/promises'
import { BlockList, isIP, isIPv4, type LookupFunction } from 'node:net'

/** An http or https URL without credentials. The address that it leads to is checked at every call. */
export type CallableUrl = URL & { readonly __brand: 'CallableUrl' }

export function parseCallableUrl(text: string): CallableUrl | undefined {
  if (!URL.canParse(text)) return undefined
  const url = new URL(text)
  if (!['http:', 'https:'].includes(url.protocol) || url.username !== '' || url.password !== '') return undefined
  return url as CallableUrl
}

/**
 * Networks that may be called although they are not public. There is one list for each family, because in a common list
 * BlockList matches every IPv4 address with ::/0: allowing all of IPv6 would allow 127.0.0.1.
 */
export interface Networks {
  readonly v4: BlockList
  readonly v6: BlockList
}

export const NO_NETWORKS: Networks = { v4: new BlockList(), v6: new BlockList() }

/** Parses at most 100 CIDRs of IPv4 and IPv6, separated by commas; undefined when one of them is invalid. */
export function parseNetworks(text: string): Networks | undefined {
  const cidrs = text.split(',').map((cidr) => cidr.trim())
  const networks = { v4: new BlockList(), v6: new BlockList() }
  return cidrs.length <= NETWORKS_MAX && cidrs.every((cidr) => addNetwork(networks, cidr)) ? networks : undefined
}

/** Whether the text is an address that is public or in one of the allowed networks. */
export function mayCall(address: string, allowed: Networks): boolean {
  if (isIP(address) === 0) return false
  // An IPv4 address written as IPv6 leads to the IPv4 address, and a list of IPv4 networks matches both forms.
  const family = isIPv4(address) ? 'ipv4' : 'ipv6'
  if (family === 'ipv4' || MAPPED.check(address, family)) return allowed.v4.check(address, family) || !NOT_PUBLIC.v4.check(address, family)
  return allowed.v6.check(address, family) || (PUBLIC_V6.check(address, family) && !NOT_PUBLIC.v6.check(address, family))
}

/** The address that a URL contains as its host, if it may not be called. Checked here, because such a host is never looked up. */
export function forbiddenLiteral({ hostname }: CallableUrl, allowed: Networks): string | undefined {
  // URL has already normalized forms such as 0x7f.1, 2130706433 and 017700000001, and put brackets around IPv6.
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  return isIP(host) !== 0 && !mayCall(host, allowed) ? host : undefined
}

/** Looks up all addresses of a host name. Throws what node:dns throws. */
export type Resolve = (hostname: string) => Promise<LookupAddress[]>

/**
 * The `lookup` of a connection. The connection uses exactly the addresses that are checked here, so a name that resolves
 * differently the next time (DNS rebinding) gains nothing. A single forbidden address rejects the whole name: otherwise an
 * attacker could add an unreachable public address, and the connection would fall back to the private one.
 */
export function guardedLookup(allowed: Networks, resolve: Resolve = resolveBySystem): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname).then(
      (addresses) => {
        const [first] = addresses
        const forbidden = addresses.find(({ address }) => !mayCall(address, allowed))
        if (first === undefined || forbidden !== undefined) callback(new AddressNotAllowed(forbidden?.address), [])
        else if (options.all === true) callback(null, addresses)
        else callback(null, first.address, first.family)
      },
      (error: NodeJS.ErrnoException) => callback(error, []),
    )
  }
}

/** A name resolves to an address that may not be called. No connection was made. */
export class AddressNotAllowed extends Error {
  /** Undefined when the name resolves to no address. */
  readonly address: string | undefined

  constructor(address: string | undefined) {
    super('The name resolves to an address that is neither public nor in OUTGOING_ALLOW.')
    this.name = 'AddressNotAllowed'
    this.address = address
  }
}

function resolveBySystem(hostname: string): Promise<LookupAddress[]> {
  return lookup(hostname, { all: true })
}

function addNetwork({ v4, v6 }: Networks, cidr: string): boolean {
  const [, address = '', bits = ''] = /^([0-9A-Fa-f.:]+)\/(\d{1,3})$/.exec(cidr) ?? []
  const version = isIP(address)
  if (version === 0 || Number(bits) > (version === 4 ? 32 : 128)) return false
  // Mapped addresses are checked against the IPv4 networks, so a network written in that form would never match.
  if (version === 6 && MAPPED.check(address, 'ipv6')) return false
  if (version === 4) v4.addSubnet(address, Number(bits), 'ipv4')
  else v6.addSubnet(address, Number(bits), 'ipv6')
  return true
}

function networksOf(family: 'ipv4' | 'ipv6', cidrs: readonly string[]): BlockList {
  const list = new BlockList()
  for (const cidr of cidrs) {
    const [address = '', bits = ''] = cidr.split('/')
    list.addSubnet(address, Number(bits), family)
  }
  return list
}

const NETWORKS_MAX = 100
const MAPPED = networksOf('ipv6', ['::ffff:0:0/96'])

/**
 * All public IPv6 addresses. Outside are loopback, fc00::/7, fe80::/10, multicast, and 64:ff9b::/96, which leads to any IPv4
 * address.
 */
const PUBLIC_V6 = networksOf('ipv6', ['2000::/3'])

/** From IANA's registries of special-purpose addresses (RFC 6890). */
const NOT_PUBLIC: Networks = {
  v4: networksOf('ipv4', [
    // "This network", private networks, carrier-grade NAT, loopback.
    '0.0.0.0/8',
    '10.0.0.0/8',
    '100.64.0.0/10',
    '127.0.0.0/8',
    // Link-local, which includes the metadata service of most clouds; Azure's host service, which only looks public.
    '169.254.0.0/16',
    '168.63.129.16/32',
    '172.16.0.0/12',
    '192.168.0.0/16',
    // Protocol assignments, documentation, 6to4 relays, benchmarks.
    '192.0.0.0/24',
    '192.0.2.0/24',
    '198.51.100.0/24',
    '203.0.113.0/24',
    '192.88.99.0/24',
    '198.18.0.0/15',
    // Multicast; reserved, including the broadcast address.
    '224.0.0.0/4',
    '240.0.0.0/4',
  ]),
  // Protocol assignments, including Teredo; documentation; 6to4, which leads to any IPv4 address.
  v6: networksOf('ipv6', ['2001::/23', '2001:db8::/32', '3fff::/20', '2002::/16']),
}
