import { type ChildProcess, execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Kafka, logLevel } from 'kafkajs'
import { makeTemporaryDirectory } from '../temporary-directory.ts'
import { untilSo } from '../until-so.ts'
import { freePort } from './free-port.ts'
import { endProcess, spawnBound } from './spawn-bound.ts'

export interface TestKafka {
  readonly brokers: string
  /** Kills the broker (SIGKILL) and starts it again with the same ports and data. Throws if it is not our own broker. */
  restart(): Promise<void>
  stop(): Promise<void>
}

/**
 * A broker for one test file: the one at KAFKA_BROKERS, else one in Docker, else one from its jars with Java 17 and Maven. If none
 * is possible, it prints the reason and returns undefined, or throws if REQUIRE_KAFKA is 1.
 */
export async function kafkaForTests(): Promise<TestKafka | undefined> {
  const given = process.env['KAFKA_BROKERS']
  if (given !== undefined && given !== '')
    return { brokers: given, restart: () => Promise.reject(new Error('The broker at KAFKA_BROKERS cannot be restarted by a test.')), stop: async () => {} }
  if (works('docker', ['info'])) return startInDocker()
  if (works('java', ['-version']) && works('mvn', ['-version'])) return startKafka()
  const reason = 'No Kafka: KAFKA_BROKERS is not set, and neither Docker nor Java 17 with Maven is available.'
  if (process.env['REQUIRE_KAFKA'] === '1') throw new Error(reason)
  console.warn(`skipped: ${reason}`)
  return undefined
}

/** Whether tests of Kafka can run here. It is known before the tests of a file are collected. */
export const HAS_KAFKA =
  process.env['REQUIRE_KAFKA'] === '1' || (process.env['KAFKA_BROKERS'] ?? '') !== '' || works('docker', ['info']) || works('mvn', ['-version'])

/** Starts a broker of one node from its jars, with a new directory and free ports on the loopback interface. */
async function startKafka(): Promise<TestKafka> {
  const node = await startNode({ id: 1, clusterId: newClusterId(), controllerPort: await freePort() })
  return { brokers: node.address, restart: () => node.restart(), stop: () => node.stop() }
}

/** Whether tests can start and kill nodes of a cluster: not with a broker of others, and not in Docker. */
export const HAS_KAFKA_NODES = works('java', ['-version']) && works('mvn', ['-version'])

/** Two nodes of one cluster. The first one is the controller as well. */
export async function startTwoKafkaNodes(): Promise<[KafkaNode, KafkaNode]> {
  const [clusterId, controllerPort] = [newClusterId(), await freePort()]
  const first = await startNode({ id: 1, clusterId, controllerPort })
  const admin = new Kafka({ brokers: [first.address], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  // Groups need a topic of the broker. It is created before the second node starts, so that it is on the first one.
  await untilSo(() => succeeds(admin.fetchOffsets({ groupId: 'any' })))
  const second = await startNode({ id: 2, clusterId, controllerPort })
  await untilSo(async () => (await admin.describeCluster()).brokers.length === 2)
  await admin.disconnect()
  return [first, second]
}

function succeeds(request: Promise<unknown>): Promise<boolean> {
  return request.then(
    () => true,
    () => false,
  )
}

export interface KafkaNode {
  readonly address: string
  /** Kills the node (SIGKILL). */
  kill(): Promise<void>
  /** Kills the node and starts it with the same ports and data. */
  restart(): Promise<void>
  stop(): Promise<void>
}

interface NodeOptions {
  readonly id: number
  readonly clusterId: string
  readonly controllerPort: number
}

async function startNode(options: NodeOptions): Promise<KafkaNode> {
  const libs = await fetchJars()
  const directory = makeTemporaryDirectory()
  const port = await freePort()
  const properties = join(directory.path, 'server.properties')
  writeFileSync(properties, propertiesOf(directory.path, port, options))
  execFileSync('java', [...JVM, '-cp', `${libs}/*`, 'kafka.tools.StorageTool', 'format', '-t', options.clusterId, '-c', properties], { stdio: 'pipe' })
  let child = await launch(libs, properties, port)
  return {
    address: `127.0.0.1:${port}`,
    kill: () => endProcess(child, 'SIGKILL'),
    restart: async () => {
      await endProcess(child, 'SIGKILL')
      child = await launch(libs, properties, port)
    },
    stop: async () => {
      await endProcess(child, 'SIGKILL')
      directory.remove()
    },
  }
}

/** 16 bytes in Kafka's encoding. The first one is 0, because an id that starts with a dash would be read as an option. */
function newClusterId(): string {
  return Buffer.concat([Buffer.alloc(1), randomBytes(15)]).toString('base64url')
}

const VERSION = '4.1.0'
const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const POM = fileURLToPath(new URL('./kafka-pom.xml', import.meta.url))
const START_MS_MAX = 180_000
/** The broker of a test file lives for seconds, and half of its CPU time would be compiling what runs a few times. Measurements have the defaults. */
const JVM = process.env['VITEST'] === undefined ? [] : ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC']

/** Downloads the jars once for all runs: into a temporary directory, then renamed, so that concurrent runs do not interfere. */
async function fetchJars(): Promise<string> {
  const libs = join(ROOT, '.cache', `kafka-${VERSION}`)
  if (existsSync(libs)) return libs
  mkdirSync(join(ROOT, '.cache'), { recursive: true })
  const fetched = `${libs}.${process.pid}`
  execFileSync('mvn', ['-q', '-f', POM, 'dependency:copy-dependencies', `-DoutputDirectory=${fetched}`, '-DincludeScope=runtime'], { stdio: 'pipe' })
  try {
    renameSync(fetched, libs)
  } catch {
    rmSync(fetched, { recursive: true, force: true }) // another run was first
  }
  return libs
}

function propertiesOf(directory: string, port: number, { id, controllerPort }: NodeOptions): string {
  const isController = id === 1
  return Object.entries({
    'process.roles': isController ? 'broker,controller' : 'broker',
    'node.id': id,
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    'controller.listener.names': 'CONTROLLER',
    listeners: `PLAINTEXT://127.0.0.1:${port}${isController ? `,CONTROLLER://127.0.0.1:${controllerPort}` : ''}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'log.dirs': join(directory, 'data'),
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'transaction.state.log.num.partitions': 4,
    // Transactions whose producer is gone are aborted soon after their time-out.
    'transaction.abort.timed.out.transaction.cleanup.interval.ms': 1_000,
    'group.initial.rebalance.delay.ms': 0,
    // Until this time has passed, a restarted broker is mistaken for the killed one.
    'broker.session.timeout.ms': 2_000,
    'broker.heartbeat.interval.ms': 500,
    'auto.create.topics.enable': false,
    'log.retention.check.interval.ms': 1_000,
    'log.initial.task.delay.ms': 500,
  })
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')
}

async function launch(libs: string, properties: string, port: number): Promise<ChildProcess> {
  const child = spawnBound(['java', ...JVM, '-Xmx768m', '-cp', `${libs}/*`, 'kafka.Kafka', properties])
  const output: string[] = []
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => output.push(String(chunk)))
  const exited = once(child, 'exit').then(([code]) => Promise.reject(new Error(`The broker ended with code ${code}:\n${output.join('')}`)))
  exited.catch(() => {})
  await Promise.race([untilAnswers(`127.0.0.1:${port}`), exited])
  return child
}

async function untilAnswers(broker: string): Promise<void> {
  const deadlineMs = Date.now() + START_MS_MAX
  for (;;) {
    const admin = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING, retry: { retries: 0 } }).admin()
    try {
      await admin.connect()
      if ((await admin.describeCluster()).brokers.length > 0) return
    } catch (error) {
      if (Date.now() > deadlineMs) throw error
    } finally {
      await admin.disconnect()
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

async function startInDocker(): Promise<TestKafka> {
  const { GenericContainer, Wait } = await import('testcontainers')
  const port = await freePort()
  const container = await new GenericContainer(`apache/kafka:${VERSION}`)
    .withExposedPorts({ container: 9092, host: port })
    .withEnvironment({ KAFKA_ADVERTISED_LISTENERS: `PLAINTEXT://127.0.0.1:${port}`, KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false' })
    .withWaitStrategy(Wait.forLogMessage(/Kafka Server started/))
    .start()
  return {
    brokers: `127.0.0.1:${port}`,
    restart: async () => container.restart(),
    stop: async () => {
      await container.stop()
    },
  }
}

function works(command: string, args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore', timeout: 15_000 })
    return true
  } catch {
    return false
  }
}
