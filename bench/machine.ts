import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, totalmem } from 'node:os'

/** What figures depend on. It names neither the host nor any path. */
export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memory_gib: number
  readonly node: string
  /** The package of the embedded engine. */
  readonly engine: string
}

export function readMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memory_gib: Math.round(totalmem() / 1024 ** 3),
    node: process.versions.node,
    engine: engineVersion(),
  }
}

export function describeMachine({ cpu, cores, memory_gib, node, engine }: Machine): string {
  return `${cores} cores (${cpu}), ${memory_gib} GiB, Node ${node}, ${engine}`
}

function engineVersion(): string {
  try {
    const { version } = JSON.parse(readFileSync(new URL('../node_modules/chdb/package.json', import.meta.url), 'utf8')) as { version: string }
    return `chdb ${version}`
  } catch {
    return 'no embedded engine'
  }
}
