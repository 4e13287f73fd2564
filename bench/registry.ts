import { type LoadResult, type Request, runLoad } from './http-load.ts'
import type { Report, Run } from './report.ts'
import { type ServiceProcess, startServiceProcess } from './service-process.ts'
import { median, percentile } from './statistics.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'

const CONNECTIONS = 16
const STORED_PROJECTS = 100_000
const STORED_PROJECTS_SMALL = 30_000
const PROJECTS_PER_BATCH = 1_000
const BATCHES_MEASURED = 10
const CALLS_ALONE = 200
const CALLS_CONCURRENT = 3_000

interface Measured {
  readonly alone: LoadResult
  readonly concurrent: LoadResult
  readonly batches: LoadResult
}

/** Measures how fast projects that exist already are registered, in a service without projects and in one with many. */
export async function measureRegistry({ closers, progress, small }: Run): Promise<Report> {
  const stored = small ? STORED_PROJECTS_SMALL : STORED_PROJECTS
  const service = await startServiceProcess(makeTemporaryDirectory(closers), closers)
  const caller = await Caller.open(service)
  progress('registry, without projects')
  const empty = await caller.measure()
  progress(`registry, registering ${stored} projects`)
  await caller.fill(stored)
  progress(`registry, with ${stored} projects`)
  const full = await caller.measure()
  return reportOf({ empty, full, stored })
}

/** Registers projects under names that no other project has. */
class Caller {
  readonly #url: string
  readonly #headers: Record<string, string>
  readonly #partnerId: string
  #registered = 0

  private constructor({ url }: ServiceProcess, headers: Record<string, string>, partnerId: string) {
    this.#url = url
    this.#headers = headers
    this.#partnerId = partnerId
  }

  static async open(service: ServiceProcess): Promise<Caller> {
    const headers = { authorization: `Bearer ${service.adminToken}`, 'content-type': 'application/json' }
    const created = await fetch(new URL('/admin/v1/partners', service.url), { method: 'POST', headers, body: '{"name":"Bench","mode":"white-label"}' })
    const { partner } = (await created.json()) as { partner: { id: string } }
    return new Caller(service, headers, partner.id)
  }

  async measure(): Promise<Measured> {
    return {
      alone: await runLoad({ connections: 1, secondsMax: 120, requests: this.#singles(CALLS_ALONE) }),
      concurrent: await runLoad({ connections: CONNECTIONS, secondsMax: 120, requests: this.#singles(CALLS_CONCURRENT) }),
      batches: await runLoad({ connections: 1, secondsMax: 120, requests: this.#batches(BATCHES_MEASURED) }),
    }
  }

  async fill(stored: number): Promise<void> {
    const requests = this.#batches(Math.ceil((stored - this.#registered) / PROJECTS_PER_BATCH))
    await runLoad({ connections: 1, secondsMax: 600, requests })
  }

  #singles(count: number): Request[] {
    return Array.from({ length: count }, () => {
      const { id, ...body } = this.#next()
      return this.#request('PUT', `/admin/v1/projects/${id}`, body)
    })
  }

  #batches(count: number): Request[] {
    return Array.from({ length: count }, () => {
      const projects = Array.from({ length: PROJECTS_PER_BATCH }, () => this.#next())
      return this.#request('POST', '/admin/v1/projects/batch', { projects })
    })
  }

  #next() {
    this.#registered += 1
    return { id: crypto.randomUUID(), partner_id: this.#partnerId, name: `project ${this.#registered}`, region: 'eu-west' }
  }

  #request(method: 'PUT' | 'POST', path: string, body: object): Request {
    return { method, url: new URL(path, this.#url), headers: this.#headers, body: Buffer.from(JSON.stringify(body)) }
  }
}

function reportOf({ empty, full, stored }: { empty: Measured; full: Measured; stored: number }): Report {
  const figures: Record<string, number> = { ratio_registered_full_empty: callsPerSecond(full.concurrent) / callsPerSecond(empty.concurrent) }
  const states = [
    { name: 'empty', stored: 0, measured: empty },
    { name: 'full', stored, measured: full },
  ]
  const rows = states.map(({ name, stored: projects, measured: { alone, concurrent, batches } }) => {
    const [single, bulk] = [callsPerSecond(concurrent), callsPerSecond(batches) * PROJECTS_PER_BATCH]
    const [p50, p99, batchP50] = [1000 * median(times(alone)), 1000 * percentile(times(alone), 0.99), 1000 * median(times(batches))]
    Object.assign(figures, { [`${name}_single_per_s`]: single, [`${name}_bulk_per_s`]: bulk, [`${name}_alone_p50_ms`]: p50, [`${name}_alone_p99_ms`]: p99 })
    return [projects.toLocaleString('en'), single.toFixed(0), bulk.toFixed(0), p50.toFixed(0), p99.toFixed(0), batchP50.toFixed(0)]
  })
  return {
    name: 'registry',
    notes: [
      `One process with the embedded engine and fsync, without request limits; all projects are of one partner and new. The load runs in another process on the same cores.`,
      `Single calls: PUT /admin/v1/projects/:projectId on ${CONNECTIONS} connections (aim: at least 300/s), and one after another (aim: p50 at most 60 ms). Bulk: POST /admin/v1/projects/batch with ${PROJECTS_PER_BATCH} projects, one after another (aim: at least 2,000/s).`,
    ],
    tables: [
      {
        title: 'Projects registered per second',
        columns: ['stored projects', `single calls/s, ${CONNECTIONS} connections`, 'bulk projects/s', 'one call p50 ms', 'one call p99 ms', 'one batch p50 ms'],
        rows,
      },
    ],
    figures,
  }
}

function callsPerSecond({ answers, seconds }: LoadResult): number {
  return answers.length / seconds
}

function times({ answers }: LoadResult): number[] {
  return answers.map(({ seconds }) => seconds)
}
