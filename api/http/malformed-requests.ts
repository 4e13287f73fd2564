import { randomUUID } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { ApiError, errorBody } from '../errors/errors.ts'

/** What cannot be read as HTTP is neither request nor reply yet: its answer is written to the connection, which ends with it. */
export function answerMalformedRequest(_error: Error, socket: Socket): void {
  if (!socket.writable) return
  const error = new ApiError('INVALID_REQUEST', 'This is not HTTP/1.1 as it can be read: it is malformed, came too slowly, or its head is too large.')
  const requestId = randomUUID()
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
