import { execFileSync } from 'node:child_process'

/** Debian's kcat uses librdkafka: a producer that shares no code with kafkajs. */
export const HAS_KCAT = runs()

export interface KcatProduce {
  readonly brokers: string
  readonly topic: string
  readonly codec?: 'gzip' | 'snappy' | 'lz4' | 'zstd'
  readonly partition?: number
}

/** Produces one message per line. librdkafka hashes keys by CRC32, so its partitions are not those of this service. */
export function produceWithKcat({ brokers, topic, codec, partition }: KcatProduce, messages: readonly { key: string; value: string }[]): void {
  const input = messages.map(({ key, value }) => `${key}\t${value}\n`).join('')
  const options = [...(codec === undefined ? [] : ['-z', codec]), ...(partition === undefined ? [] : ['-p', String(partition)])]
  execFileSync('kcat', ['-b', brokers, '-t', topic, '-P', '-K', '\t', '-X', 'acks=all', '-X', `message.max.bytes=${MESSAGE_BYTES_MAX}`, ...options], {
    input,
    stdio: ['pipe', 'ignore', 'pipe'],
  })
}

/** librdkafka compares it with the size before compression. */
const MESSAGE_BYTES_MAX = 10_000_000

function runs(): boolean {
  try {
    execFileSync('kcat', ['-V'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
