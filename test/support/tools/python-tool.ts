import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const CACHE = fileURLToPath(new URL('../../../.cache', import.meta.url))

export interface PythonTool {
  /** The program, which has the name of its package. */
  readonly program: string
  readonly version: string
  /** More packages to install, with their versions. */
  readonly packages: readonly string[]
  /** The oldest minor version of Python 3 that works. */
  readonly pythonMinor: number
}

/**
 * Returns the virtual environment of a tool under .cache/, which the first run creates; or the reason why there is none: no working
 * Python, or no access to its packages.
 */
export async function openPythonTool(tool: PythonTool): Promise<{ status: 'ready'; home: string } | { status: 'missing'; reason: string }> {
  const home = join(CACHE, `${tool.program}-${tool.version}`)
  const reason = existsSync(join(home, 'bin', tool.program)) ? undefined : await install(tool, home)
  return reason === undefined ? { status: 'ready', home } : { status: 'missing', reason }
}

async function install({ program, version, packages, pythonMinor }: PythonTool, home: string): Promise<string | undefined> {
  for (const { command, environment } of PYTHONS) {
    const env = { ...process.env, ...environment }
    const found = await run(command, ['-c', `import sys; print(sys.version_info >= (3, ${pythonMinor}))`], { env }).catch(() => undefined)
    if (found?.stdout.trim() !== 'True') continue
    try {
      mkdirSync(home, { recursive: true })
      await run(command, ['-m', 'venv', home], { env })
      await run(join(home, 'bin', 'pip'), ['install', '--quiet', `${program}==${version}`, ...packages], { env, timeout: INSTALL_MS_MAX })
      return undefined
    } catch (thrown) {
      rmSync(home, { recursive: true, force: true })
      return `${program} ${version} cannot be installed: ${thrown instanceof Error ? thrown.message.slice(0, 300) : String(thrown)}`
    }
  }
  return `there is no working Python 3.${pythonMinor} or newer`
}

const INSTALL_MS_MAX = 300_000
const PYTHONS: readonly { command: string; environment: Record<string, string> }[] = [
  { command: 'python3.12', environment: {} },
  // The python3.12 of pyenv is a wrapper that fails unless a version is selected.
  ...['3.12.1', '3.12'].map((version) => ({ command: 'python3.12', environment: { PYENV_VERSION: version } })),
  { command: 'python3.13', environment: {} },
  { command: 'python3', environment: {} },
]
