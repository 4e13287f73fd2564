import ipaddr from 'ipaddr.js'
import { describe, expect, test } from 'vitest'
import {
  AddressNotAllowed,
  type CallableUrl,
  forbiddenLiteral,
  guardedLookup,
  mayCall,
  type Networks,
  NO_NETWORKS,
  parseCallableUrl,
  parseNetworks,
} from '../../outgoing/public-address.ts'

/** First and last addresses of each network that may not be called. */
const FORBIDDEN = [
  ['this network', '0.0.0.0', '0.255.255.255'],
  ['private, class A', '10.0.0.0', '10.255.255.255'],
  ['carrier-grade NAT', '100.64.0.0', '100.100.100.200', '100.127.255.255'],
  ['loopback', '127.0.0.1', '127.255.255.255'],
  ['link-local and cloud metadata', '169.254.0.0', '169.254.169.254', '169.254.255.255'],
  ["Azure's host", '168.63.129.16'],
  ['private, class B', '172.16.0.0', '172.31.255.255'],
  ['private, class C', '192.168.0.0', '192.168.255.255'],
  ['protocol assignments', '192.0.0.0', '192.0.0.192', '192.0.0.255'],
  ['documentation', '192.0.2.1', '198.51.100.1', '203.0.113.255'],
  ['6to4 relays', '192.88.99.1'],
  ['benchmarks', '198.18.0.0', '198.19.255.255'],
  ['multicast', '224.0.0.1', '239.255.255.255'],
  ['reserved and broadcast', '240.0.0.0', '255.255.255.255'],
  ['unspecified, loopback of IPv6', '::', '::1'],
  ['IPv4 written as IPv6', '::ffff:127.0.0.1', '::ffff:7f00:1', '0:0:0:0:0:ffff:a9fe:a9fe', '::ffff:10.0.0.1'],
  ['IPv4-compatible IPv6, deprecated', '::127.0.0.1', '::8.8.8.8', '::ffff:0:127.0.0.1'],
  ['NAT64', '64:ff9b::7f00:1', '64:ff9b::8.8.8.8', '64:ff9b:1::a00:1'],
  ['6to4', '2002:7f00:1::', '2002:808:808::1'],
  ['Teredo, ORCHID, benchmarks', '2001::1', '2001:10::1', '2001:20::1', '2001:2::1', '2001:1ff::1'],
  ['documentation of IPv6', '2001:db8::1', '3fff::1', '3fff:fff::1'],
  ['discard-only', '100::1'],
  ['segment routing', '5f00::1'],
  ['unique local', 'fc00::1', 'fd00:ec2::254', 'fdff::1'],
  ['link-local, site-local', 'fe80::1', 'febf::1', 'fe80::1%eth0', 'fec0::1'],
  ['multicast of IPv6', 'ff02::1', 'ff0e::1'],
  ['texts that are no address', '', 'localhost', '127.1', '8.8.8.8 ', '[::1]', '8.8.8.8/32'],
] as const

/** Among them the neighbours of the forbidden networks. */
const PUBLIC = [
  ['1.0.0.1', '9.255.255.255', '11.0.0.0', '100.63.255.255', '100.128.0.0', '126.255.255.255', '128.0.0.1'],
  ['169.253.255.255', '169.255.0.0', '172.15.255.255', '172.32.0.0', '192.0.1.0', '192.167.255.255', '192.169.0.0', '198.17.255.255', '198.20.0.0'],
  ['168.63.129.15', '168.63.129.17', '223.255.255.255', '8.8.8.8', '::ffff:8.8.8.8'],
  ['2606:4700:4700::1111', '2001:200::1', '2001:4860:4860::8888', '2003::1', '2a00:1450:4001::1', '3ffe::1'],
].flat()

const LOOPBACK = networks('127.0.0.0/8,::1/128')

describe('addresses that may be called', () => {
  for (const [name, ...addresses] of FORBIDDEN)
    test(`an address may not be called: ${name}`, () => {
      expect(addresses.filter((address) => mayCall(address, NO_NETWORKS))).toEqual([])
    })

  test('public addresses may be called, including the neighbours of private networks', () => {
    expect(PUBLIC.filter((address) => !mayCall(address, NO_NETWORKS))).toEqual([])
  })

  test('an allowed network allows its addresses in every notation, and no others', () => {
    const allowed = networks('10.1.0.0/16, fd00:1::/64,127.0.0.5/32')
    const open = ['10.1.0.0', '10.1.255.255', '::ffff:10.1.2.3', 'fd00:1::1', '127.0.0.5', '8.8.8.8']
    const shut = ['10.0.255.255', '10.2.0.0', '::ffff:10.2.0.0', 'fd00:1:0:1::', '127.0.0.4', '127.0.0.6', '::1', '169.254.169.254']
    expect(open.filter((address) => !mayCall(address, allowed))).toEqual([])
    expect(shut.filter((address) => mayCall(address, allowed))).toEqual([])
  })

  test('allowing all addresses of one family allows none of the other', () => {
    expect(['127.0.0.1', '::ffff:127.0.0.1', '10.0.0.1'].filter((address) => mayCall(address, networks('::/0')))).toEqual([])
    expect(['::1', 'fd00::1', '64:ff9b::7f00:1'].filter((address) => mayCall(address, networks('0.0.0.0/0')))).toEqual([])
    expect(mayCall('fd00::1', networks('::/0'))).toBe(true)
    expect(mayCall('::ffff:127.0.0.1', networks('0.0.0.0/0'))).toBe(true)
  })
})

/** Classifies addresses by its own copy of IANA's registries, independently of public-address.ts. */
describe('agreement with ipaddr.js', () => {
  /** Anycast services that IANA lists as special-purpose but globally reachable. */
  const PUBLIC_RANGES = ['unicast', 'as112', 'as112v6', 'amt']
  const disagreeing = (addresses: readonly string[]) =>
    addresses.filter((address) => mayCall(address, NO_NETWORKS) !== PUBLIC_RANGES.includes(ipaddr.process(address).range()))
  const count = (length: number) => Array.from({ length }, (_, index) => index)

  test('every /16 of IPv4 and every /24 beside the small special networks is classified as by ipaddr.js', () => {
    const wide = count(256).flatMap((a) => count(256).map((b) => `${a}.${b}.0.1`))
    const narrow = ['192.0', '192.88', '192.168', '198.18', '198.51', '203.0'].flatMap((network) => count(256).map((c) => `${network}.${c}.1`))
    expect(disagreeing([...wide, ...narrow])).toEqual([])
  })

  test('global IPv6 is classified as by ipaddr.js, except that all protocol assignments are forbidden, also the reachable one', () => {
    const wide = count(0x2000).map((group) => `${(0x2000 + group).toString(16)}::1`)
    const assignments = count(0x1000).map((group) => `2001:${group.toString(16)}::1`)
    expect(disagreeing([...wide, ...assignments])).toEqual(['2001:3::1'])
    expect(mayCall('2001:3::1', NO_NETWORKS)).toBe(false)
  })

  test('nothing outside 2000::/3 is public, although ipaddr.js calls unassigned IPv6 addresses unicast', () => {
    const outside = count(0x10000).filter((group) => group < 0x2000 || group >= 0x4000)
    expect(outside.map((group) => `${group.toString(16)}::1`).filter((address) => mayCall(address, NO_NETWORKS))).toEqual([])
  })
})

describe('addresses in URLs', () => {
  const written = ['127.0.0.1', '127.1', '0x7f.1', '0x7f000001', '2130706433', '017700000001', '0177.0.0.1', '127.0.0.1.', '①②⑦.0.0.1', '%31%32%37.0.0.1']
  const bracketed = ['[::1]', '[0:0:0:0:0:0:0:1]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[64:ff9b::127.0.0.1]', '[fe80::1]', '[2002:7f00:1::]']
  for (const host of [...written, ...bracketed])
    test(`a forbidden address in a URL is recognized when written as ${host}`, () => {
      expect(forbiddenLiteral(url(`http://${host}:8080/hook`), NO_NETWORKS)).toEqual(expect.any(String))
    })

  test('a public or allowed address in a URL passes, and so does a name, which is checked when it is looked up', () => {
    expect(forbiddenLiteral(url('https://8.8.8.8/hook'), NO_NETWORKS)).toBeUndefined()
    expect(forbiddenLiteral(url('https://[2606:4700::1]/hook'), NO_NETWORKS)).toBeUndefined()
    expect(forbiddenLiteral(url('http://[::ffff:127.0.0.1]/hook'), LOOPBACK)).toBeUndefined()
    expect(forbiddenLiteral(url('http://localhost/hook'), NO_NETWORKS)).toBeUndefined()
  })

  test('only http and https URLs without credentials may be called', () => {
    const texts = ['', 'platform.example', 'ftp://platform.example/', 'file:///etc/passwd', 'javascript:1', 'https://user@platform.example/']
    const odd = ['https://user:word@platform.example/', 'https://:word@platform.example/', 'http://256.1.1.1/', 'http://[fe80::1%25eth0]/', 'http://a:99999/']
    expect([...texts, ...odd].filter((text) => parseCallableUrl(text) !== undefined)).toEqual([])
    expect(url('https://platform.example:8443/hook?x=1').href).toBe('https://platform.example:8443/hook?x=1')
  })
})

describe('host names', () => {
  test('a name with one private address among public ones is rejected', async () => {
    for (const position of [0, 1, 2]) {
      const answer = [address('93.184.215.14'), address('2606:4700::1')].toSpliced(position, 0, address('169.254.169.254'))
      expect(await lookUp(NO_NETWORKS, answer)).toMatchObject({ error: expect.any(AddressNotAllowed) })
      expect(await lookUp(NO_NETWORKS, answer)).toMatchObject({ error: { address: '169.254.169.254' } })
    }
  })

  test('the connection gets exactly the addresses that were checked: all of them, or the first', async () => {
    const answer = [address('93.184.215.14'), address('2606:4700::1')]
    expect(await lookUp(NO_NETWORKS, answer)).toEqual({ error: null, found: [answer, undefined] })
    expect(await lookUp(NO_NETWORKS, answer, false)).toEqual({ error: null, found: ['93.184.215.14', 4] })
  })

  test('a name without an address is rejected', async () => {
    expect(await lookUp(NO_NETWORKS, [])).toMatchObject({ error: expect.any(AddressNotAllowed) })
  })
})

describe('OUTGOING_ALLOW', () => {
  test('OUTGOING_ALLOW is rejected when one of its networks is invalid', () => {
    const wrong = ['', ',', '10.0.0.0', '10.0.0.0/33', '10.0.0.0/-1', '10.0.0.0/8/8', '10.0.0/8', '010.0.0.0/8', '::/129', 'fe80::1%eth0/64', 'localhost/8']
    const mixed = ['10.0.0.0/8,', '10.0.0.0/8;::1/128', '::ffff:10.0.0.0/104', '10.0.0.0/', '[::1]/128', Array(101).fill('10.0.0.0/8').join(',')]
    expect([...wrong, ...mixed].filter((text) => parseNetworks(text) !== undefined)).toEqual([])
    expect(parseNetworks(Array(100).fill('10.0.0.0/8').join(','))).toBeDefined()
  })
})

function url(text: string): CallableUrl {
  const parsed = parseCallableUrl(text)
  if (parsed === undefined) throw new Error(`${text} is not a URL that may be called.`)
  return parsed
}

function networks(text: string): Networks {
  const parsed = parseNetworks(text)
  if (parsed === undefined) throw new Error(`${text} is not a list of networks.`)
  return parsed
}

function address(text: string) {
  return { address: text, family: text.includes(':') ? 6 : 4 }
}

function lookUp(allowed: Networks, answer: ReturnType<typeof address>[], all = true): Promise<unknown> {
  return new Promise((resolve) => {
    guardedLookup(allowed, async () => answer)('platform.example', { all }, (error, ...found) =>
      resolve(error === null ? { error, found: [found[0], found[1]] } : { error }),
    )
  })
}
