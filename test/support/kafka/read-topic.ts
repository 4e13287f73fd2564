import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

export interface ReadMessage {
  readonly partition: number
  readonly key: string
  readonly value: string
  readonly timestamp: string
  readonly headers: Readonly<Record<string, string>>
}

/** Every record of a topic. Read by a process of its own, because in one that runs the service kafkajs does not separate records. */
export async function readTopic(brokers: string, topic: string): Promise<ReadMessage[]> {
  const child = fork(fileURLToPath(new URL('./read-topic-main.ts', import.meta.url)), [brokers, topic], { execArgv: ['--import', 'tsx'] })
  const failed = once(child, 'exit').then(([code]) => Promise.reject(new Error(`Reading the topic ended with code ${code}.`)))
  failed.catch(() => {})
  const [messages] = await Promise.race([once(child, 'message'), failed])
  return messages as ReadMessage[]
}
