import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'

export interface SpawnBoundOptions extends Pick<SpawnOptions, 'cwd' | 'env'> {
  /** Removed when the process has ended. */
  readonly temporaryDirectory?: string
  /** The file that is its stdin, by default an empty one. */
  readonly stdin?: string
}

/**
 * Starts a process that ends with this one, even after SIGKILL: a shell beside it reads its stdin, which ends then, and kills it.
 * The shell also removes the temporary directory.
 */
export function spawnBound([command, ...args]: readonly [string, ...string[]], options: SpawnBoundOptions = {}): ChildProcess {
  const { temporaryDirectory = '', stdin = '/dev/null', ...others } = options
  return spawn('sh', ['-c', SCRIPT, temporaryDirectory, stdin, command, ...args], { ...others, stdio: ['pipe', 'pipe', 'pipe'] })
}

/**
 * $0 is the directory, $1 the stdin of the process. It does not get that of the shell, and the shell none of its outputs, so that they end with
 * the process.
 */
const SCRIPT = `exec 3<&0
( cat <&3; kill -9 $$; [ -z "$0" ] || { sleep 0.2; rm -rf "$0"; } ) >/dev/null 2>&1 &
exec <"$1"
shift
exec "$@" 3<&-`

/** Sends the signal and waits for the exit. */
export async function endProcess(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill(signal)
  await exited
}
