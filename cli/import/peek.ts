/** Reads until the beginning is enough, or to the end, and returns it with chunks that begin with it again. */
export async function peek(chunks: AsyncIterable<Buffer>, isEnough: (head: Buffer) => boolean): Promise<{ head: Buffer; chunks: AsyncIterable<Buffer> }> {
  const iterator = chunks[Symbol.asyncIterator]()
  let head: Buffer = Buffer.alloc(0)
  for (let read = await iterator.next(); ; read = await iterator.next()) {
    if (read.done === true) break
    head = head.length === 0 ? read.value : Buffer.concat([head, read.value])
    if (isEnough(head)) break
  }
  const rest = async function* () {
    try {
      yield head
      for (let read = await iterator.next(); read.done !== true; read = await iterator.next()) yield read.value
    } finally {
      await iterator.return?.()
    }
  }
  return { head, chunks: rest() }
}
