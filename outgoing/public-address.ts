import type { LookupAddress } from 'node:dns'
import { lookup } from 'node:dns/promises'
import { BlockList, isIP, isIPv4, type LookupFunction } from 'node:net'

/** A URL that may be asked for: http or https, without credentials in it. Which address it leads to is judged when it is called. */
export type CallableUrl = URL & { readonly __brand: 'CallableUrl' }

export function parseCallableUrl(text: string): CallableUrl | undefined {
  if (!URL.canParse(text)) return undefined
  const url = new URL(text)
  if (!['http:', 'https:'].includes(url.protocol) || url.username !== '' || url.password !== '') return undefined
  return url as CallableUrl
}

/**
 * Networks that may be called although they are not public. One list for each family: in a list of both, BlockList
 * takes ::/0 to hold every IPv4 address as well, so who allowed all of IPv6 would have opened 127.0.0.1.
 */
export interface Networks {
  readonly v4: BlockList
  readonly v6: BlockList
}

export const NO_NETWORKS: Networks = { v4: new BlockList(), v6: new BlockList() }

/** CIDRs of IPv4 and IPv6, separated by commas, at most 100; undefined when one of them is none. */
export function parseNetworks(text: string): Networks | undefined {
  const cidrs = text.split(',').map((cidr) => cidr.trim())
  const networks = { v4: new BlockList(), v6: new BlockList() }
  return cidrs.length <= NETWORKS_MAX && cidrs.every((cidr) => addNetwork(networks, cidr)) ? networks : undefined
}

/** Whether an address may be called: it is public, or in one of the allowed networks. What is no address may not. */
export function mayCall(address: string, allowed: Networks): boolean {
  if (isIP(address) === 0) return false
  // An IPv4 address written as IPv6 leads to the IPv4 address; a list of IPv4 networks tells them in both forms.
  const family = isIPv4(address) ? 'ipv4' : 'ipv6'
  if (family === 'ipv4' || MAPPED.check(address, family)) return allowed.v4.check(address, family) || !NOT_PUBLIC.v4.check(address, family)
  return allowed.v6.check(address, family) || (PUBLIC_V6.check(address, family) && !NOT_PUBLIC.v6.check(address, family))
}

/** The address that a URL names by itself, if it may not be called. It needs a check of its own: what is an address is never looked up. */
export function forbiddenLiteral({ hostname }: CallableUrl, allowed: Networks): string | undefined {
  // The URL has made one form of 0x7f.1, 2130706433 and 017700000001 already, and put brackets around IPv6.
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  return isIP(host) !== 0 && !mayCall(host, allowed) ? host : undefined
}

/** Asks for all addresses of a host name. Throws what node:dns throws. */
export type Resolve = (hostname: string) => Promise<LookupAddress[]>

/**
 * The `lookup` of a connection: what is judged here is what is connected to, so a name that answers differently the
 * next time (DNS rebinding) gains nothing. One address that may not be called refuses the name, not only that address:
 * otherwise a public one beside it would only have to be unreachable.
 */
export function guardedLookup(allowed: Networks, resolve: Resolve = resolveByTheSystem): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname).then(
      (addresses) => {
        const [first] = addresses
        const forbidden = addresses.find(({ address }) => !mayCall(address, allowed))
        if (first === undefined || forbidden !== undefined) callback(new AddressRefused(forbidden?.address), [])
        else if (options.all === true) callback(null, addresses)
        else callback(null, first.address, first.family)
      },
      (error: NodeJS.ErrnoException) => callback(error, []),
    )
  }
}

/** A name led to an address that may not be called. No connection was made. */
export class AddressRefused extends Error {
  /** Undefined when the name led to none. */
  readonly address: string | undefined

  constructor(address: string | undefined) {
    super('The name leads to an address that is neither public nor in OUTGOING_ALLOW.')
    this.name = 'AddressRefused'
    this.address = address
  }
}

function resolveByTheSystem(hostname: string): Promise<LookupAddress[]> {
  return lookup(hostname, { all: true })
}

function addNetwork({ v4, v6 }: Networks, cidr: string): boolean {
  const [, address = '', bits = ''] = /^([0-9A-Fa-f.:]+)\/(\d{1,3})$/.exec(cidr) ?? []
  const version = isIP(address)
  if (version === 0 || Number(bits) > (version === 4 ? 32 : 128)) return false
  // Mapped addresses are judged by the IPv4 networks: one that is written so would never be found.
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

/** All that is handed out to the public of IPv6. Loopback, fc00::/7, fe80::/10, multicast and 64:ff9b::/96, which leads to any IPv4 address, lie outside. */
const PUBLIC_V6 = networksOf('ipv6', ['2000::/3'])

/** From the registries of special-purpose addresses (RFC 6890, kept by IANA). */
const NOT_PUBLIC: Networks = {
  v4: networksOf('ipv4', [
    // This network, private networks, shared by a carrier's customers, loopback.
    '0.0.0.0/8',
    '10.0.0.0/8',
    '100.64.0.0/10',
    '127.0.0.0/8',
    // Link-local, with the metadata of most clouds; the host's own service of Azure, an address that only looks public.
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
    // Multicast; reserved, with the broadcast address.
    '224.0.0.0/4',
    '240.0.0.0/4',
  ]),
  // Protocol assignments with Teredo; documentation; 6to4, which leads to any IPv4 address.
  v6: networksOf('ipv6', ['2001::/23', '2001:db8::/32', '3fff::/20', '2002::/16']),
}
