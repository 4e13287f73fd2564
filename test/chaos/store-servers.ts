import { randomBytes } from 'node:crypto'
import { type ClickHouseCluster, startClickHouseCluster } from '../support/engines/clickhouse-cluster.ts'
import { afterMs } from './clock.ts'
import type { KillKind } from './plan.ts'

export interface StoreOptions {
  readonly dataDir: string
  /** How many servers have the event logs. */
  readonly shards: number
  /** CLICKHOUSE_URL; if undefined, the servers are started, which may be killed. */
  readonly givenClickHouse: string | undefined
}

/** The ClickHouse servers of a run: one, or several shards. */
export class StoreServers {
  /** With the database of the run, in their order. */
  readonly urls: readonly string[]
  readonly killable: readonly KillKind[]
  readonly #cluster: ClickHouseCluster | undefined
  /** The last start of each server that was killed. */
  readonly #starting = new Map<number, Promise<void>>()
  #ended = false

  private constructor(servers: readonly string[], cluster: ClickHouseCluster | undefined) {
    const pathname = `/meterline_chaos_${randomBytes(4).toString('hex')}`
    this.urls = servers.map((server) => Object.assign(new URL(server), { pathname }).toString())
    this.#cluster = cluster
    const ofShards = servers.length > 1 ? (['kill_first_shard', 'kill_other_shard'] as const) : []
    this.killable = cluster === undefined ? [] : ['kill_clickhouse', ...ofShards]
  }

  static async start({ dataDir, shards, givenClickHouse }: StoreOptions): Promise<StoreServers> {
    if (givenClickHouse !== undefined) return new StoreServers([givenClickHouse], undefined)
    const cluster = await startClickHouseCluster(shards, { dataDir })
    return new StoreServers(cluster.urls, cluster)
  }

  /** The server that has everything but the event logs of the others. */
  get first(): string {
    return this.urls[0] ?? ''
  }

  get environment(): Record<string, string> {
    return this.urls.length === 1 ? { CLICKHOUSE_URL: this.first } : { CLICKHOUSE_URLS: this.urls.join(',') }
  }

  /** Kills the servers with SIGKILL; each is restarted at the same address with the same data. Numbers begin at 1. */
  async kill(shards: readonly number[], downMs: number): Promise<void> {
    await Promise.all(shards.map((shard) => this.#killOne(shard, downMs)))
  }

  async killAll(downMs: number): Promise<void> {
    await this.kill(
      Array.from(this.urls, (_, index) => index + 1),
      downMs,
    )
  }

  /** Kills one of those after the first. */
  async killOther(slot: number, downMs: number): Promise<void> {
    await this.kill([2 + (slot % (this.urls.length - 1))], downMs)
  }

  async untilStarted(): Promise<void> {
    await Promise.all(this.#starting.values())
  }

  /** Kills every server immediately. */
  async end(): Promise<void> {
    this.#ended = true
    await this.untilStarted().catch(() => {})
    await this.#cluster?.stop()
  }

  async #killOne(shard: number, downMs: number): Promise<void> {
    await this.#starting.get(shard)
    await this.#cluster?.kill(shard)
    const restart = async () => (this.#ended ? undefined : this.#cluster?.restart(shard))
    this.#starting.set(shard, afterMs(downMs).then(restart))
  }
}
