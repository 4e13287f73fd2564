import { linkSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'

/** Another process uses the folder, or may. */
export class SpoolInUse extends Error {
  override readonly name = 'SpoolInUse'
}

interface Owner {
  readonly pid: number
  readonly host: string
  /** When the process started, as Linux counts it; empty elsewhere. After a restart another process may have the same pid. */
  readonly started: string
  /** Of this lock, because one process may open a spool several times. */
  readonly token: string
}

export interface FolderLock {
  /** Whether the folder still belongs to this lock. */
  isOurs(): boolean
  release(): void
}

/**
 * Locks a folder for this process with a file. The lock of a process that no longer runs on this host is replaced; whether a process of another
 * host (or container) runs cannot be checked, so its lock stays until somebody deletes it. Throws SpoolInUse.
 */
export function lockFolder(folder: string): FolderLock {
  const path = join(folder, 'lock')
  const ours: Owner = { pid: process.pid, host: hostname(), started: startOf(process.pid), token: crypto.randomUUID() }
  while (!tryCreate(path, JSON.stringify(ours))) removeIfStale(path, folder)
  const isOurs = () => readText(path)?.includes(ours.token) === true
  return { isOurs, release: () => void (isOurs() && unlinkSync(path)) }
}

function tryCreate(path: string, text: string): boolean {
  try {
    writeFileSync(path, text, { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

function removeIfStale(path: string, folder: string): void {
  const text = readText(path)
  if (text === undefined) return
  const owner = parseOwner(text)
  if (owner !== undefined && owner.host !== hostname())
    throw new SpoolInUse(`The spool ${folder} belongs to process ${owner.pid} on ${owner.host}. If that no longer runs, delete ${path}.`)
  if (owner !== undefined && isRunning(owner))
    throw new SpoolInUse(`The spool ${folder} is used by process ${owner.pid}. Give each process a folder of its own.`)
  // Moved away first, and put back if another process has replaced it since it was read: then the folder belongs to that process.
  const moved = `${path}.${crypto.randomUUID()}`
  try {
    renameSync(path, moved)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return
    throw error
  }
  if (readText(moved) !== text) linkSync(moved, path)
  unlinkSync(moved)
}

function isRunning({ pid, started }: Owner): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    // EPERM: it runs, as another user.
    if (codeOf(error) === 'ESRCH') return false
  }
  return started === '' || started === startOf(pid)
}

/** Field 22 of /proc/<pid>/stat. The second field is the name of the program, which may contain spaces and brackets. */
function startOf(pid: number): string {
  const stat = readText(`/proc/${pid}/stat`)
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}

/** Undefined for a lock that was torn while it was written: its process is dead, or about to write the rest. */
function parseOwner(text: string): Owner | undefined {
  try {
    return JSON.parse(text) as Owner
  } catch {
    return undefined
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

function codeOf(error: unknown): unknown {
  return (error as NodeJS.ErrnoException).code
}
