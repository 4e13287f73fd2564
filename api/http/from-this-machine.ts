import type { FastifyRequest } from 'fastify'

/** Headers by which a proxy says that it speaks for another machine. */
const FORWARDED_HEADERS = ['x-forwarded-for', 'forwarded', 'x-real-ip', 'via']

/**
 * Whether the caller is a program on this machine. The address of the connection counts, not one that a header names; a call that a
 * proxy on this machine forwards comes from elsewhere.
 */
export function isFromThisMachine({ socket, headers }: FastifyRequest): boolean {
  return isLoopback(socket.remoteAddress) && FORWARDED_HEADERS.every((name) => headers[name] === undefined)
}

function isLoopback(address = ''): boolean {
  return /^(?:::ffff:)?127\.\d+\.\d+\.\d+$/i.test(address) || address === '::1'
}
