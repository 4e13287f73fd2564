import type response from 'kafkajs/src/protocol/requests/fetch/v11/response.js'

/**
 * kafkajs leaves out the records of aborted transactions, but expects the list of these in the order in which they began. A broker
 * lists them in the order in which they ended, so of two that overlap the records of one would count. Here they are marked as control
 * records, which kafkajs skips, and the list is emptied.
 */
export function markAborted(partition: response.FetchedPartition): void {
  const waiting = [...partition.abortedTransactions].sort((a, b) => Number(a.firstOffset) - Number(b.firstOffset))
  if (waiting.length === 0) return
  const aborting = new Set<string>()
  for (const message of partition.messages) {
    for (; waiting[0] !== undefined && Number(waiting[0].firstOffset) <= Number(message.offset); waiting.shift()) aborting.add(String(waiting[0].producerId))
    const { producerId, inTransaction } = message.batchContext ?? {}
    if (!inTransaction || !aborting.has(String(producerId))) continue
    // A control record of this producer ends its transaction.
    if (message.isControlRecord) aborting.delete(String(producerId))
    else message.isControlRecord = true
  }
  partition.abortedTransactions = []
}
