/**
 * A project's own partition: murmur2 of its id, modulo the partitions, as Kafka's Java client and kafkajs choose it by default for
 * this key. ClickHouse has the same hash as kafkaMurmurHash. Ids are ASCII. Results are not cached: looking an id up in a map
 * takes as long as hashing it.
 */
export function partitionOfProject(projectId: string, partitions: number): number {
  return (murmur2(projectId) & 0x7fffffff) % partitions
}

const M = 0x5bd1e995
const SEED = 0x9747b28c

/** Austin Appleby's MurmurHash2, 32 bits, with Kafka's seed. */
function murmur2(text: string): number {
  const { length } = text
  let hash = SEED ^ length
  let at = 0
  for (; at + 4 <= length; at += 4) {
    let word = text.charCodeAt(at) | (text.charCodeAt(at + 1) << 8) | (text.charCodeAt(at + 2) << 16) | (text.charCodeAt(at + 3) << 24)
    word = Math.imul(word, M)
    word = Math.imul(word ^ (word >>> 24), M)
    hash = Math.imul(hash, M) ^ word
  }
  const rest = length - at
  if (rest >= 3) hash ^= text.charCodeAt(at + 2) << 16
  if (rest >= 2) hash ^= text.charCodeAt(at + 1) << 8
  if (rest >= 1) hash = Math.imul(hash ^ text.charCodeAt(at), M)
  hash = Math.imul(hash ^ (hash >>> 13), M)
  return hash ^ (hash >>> 15)
}
