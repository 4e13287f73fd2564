import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterMs } from './clock.ts'
import type { EmittingOptions } from './emit-kafkajs.ts'
import type { GeneratedRecord } from './generate-records.ts'

const BATCH_RECORDS = 200
const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

export function hasKcat(): boolean {
  try {
    execFileSync('kcat', ['-V'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Produces with librdkafka, which partitions by CRC32 of the key, or randomly without a key, with every compression codec. */
export async function emitWithKcat({ brokers, ...options }: EmittingOptions & { readonly brokers: string }): Promise<void> {
  const { generator, random, acknowledged, topic, ending, nextDue } = options
  while (!ending()) {
    const records = generator.records(BATCH_RECORDS)
    const keyed = random.below(3) > 0
    // Without -Z an empty value stays empty; with -Z all empty values of this batch are tombstones. A line without a key must not be empty.
    const flags = [...(keyed ? ['-K', '\\t'] : []), ...(random.below(2) === 0 ? ['-Z'] : []), '-z', random.pick(CODECS)]
    const sent = keyed ? records : records.filter(({ value }) => value !== null && value !== '')
    const text = sent.map((record) => lineOf(record, keyed)).join('')
    while (!(await isProduced(['-P', '-b', brokers, '-t', topic, ...flags], text))) {
      acknowledged.countRetry('kcat')
      await afterMs(500)
    }
    acknowledged.add('kcat', sent)
    await nextDue()
  }
}

function lineOf({ projectId, value }: GeneratedRecord, keyed: boolean): string {
  return `${keyed ? `${projectId}\t` : ''}${value ?? ''}\n`
}

const MESSAGE_MS_MAX = 60_000

async function isProduced(args: readonly string[], text: string): Promise<boolean> {
  const child = spawn('kcat', [...args, '-q', '-X', 'acks=all', '-X', `message.timeout.ms=${MESSAGE_MS_MAX}`], { stdio: ['pipe', 'ignore', 'pipe'] })
  let errors = ''
  child.stderr.on('data', (chunk) => {
    errors += String(chunk)
  })
  child.stdin.on('error', () => {})
  child.stdin.end(text)
  const [code] = await once(child, 'close')
  return code === 0 && !/failed/i.test(errors)
}
