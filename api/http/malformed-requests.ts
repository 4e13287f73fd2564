import { randomUUID } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { ApiError, errorBody } from '../errors/errors.ts'
import { type AccessLogOptions, logMalformedRequest } from './access-log.ts'

/** For bytes that cannot be parsed as HTTP there is no request or reply object: the answer is written to the socket, which is then closed. */
export function answerMalformedRequest(options: AccessLogOptions, socket: Socket): void {
  if (!socket.writable) return
  const error = new ApiError('INVALID_REQUEST', 'This cannot be read as HTTP/1.1: it is malformed, was sent too slowly, or its headers are too large.')
  const requestId = randomUUID()
  logMalformedRequest(options, { status: error.status, requestId, address: socket.remoteAddress })
  const body = JSON.stringify(errorBody(error, requestId))
  const head = [
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${requestId}`,
    'connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}
