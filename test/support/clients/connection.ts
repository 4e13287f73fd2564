import { connect } from 'node:net'

export interface Connection {
  write(text: string): void
  /** Resolves with the answer when the service has ended the connection. */
  readonly answer: Promise<{ status: number; body: unknown }>
}

/** Opens a TCP connection, to send what no HTTP client would send. */
export function openConnection(url: string): Connection {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  const answer = new Promise<{ status: number; body: unknown }>((resolve, reject) => {
    let text = ''
    socket.on('data', (chunk) => {
      text += String(chunk)
    })
    socket.once('error', reject)
    socket.once('close', () => {
      const [head = '', body = ''] = text.split('\r\n\r\n')
      resolve({ status: Number(head.split(' ')[1]), body: JSON.parse(body) })
    })
  })
  return { write: (part) => socket.write(part), answer }
}
