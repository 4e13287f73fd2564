import { isIPv6 } from 'node:net'

/** Whom an address stands for: whoever has one address of IPv6 has the 2^64 beside it. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:([\d.]+)$/i.exec(address)?.[1]
  if (mapped !== undefined || !isIPv6(address)) return mapped ?? address
  const [left = [], right = []] = address.split('::').map((part) => (part === '' ? [] : part.split(':')))
  const zeros = Array.from({ length: Math.max(0, GROUPS - left.length - right.length) }, () => '0')
  return [...left, ...zeros, ...right]
    .slice(0, GROUPS / 2)
    .map((group) => group.replace(/^0+(?=.)/, '').toLowerCase())
    .join(':')
}

const GROUPS = 8
