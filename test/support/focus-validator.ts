import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const VALIDATOR = 'focus-validator==2.2.1'
const HOME = fileURLToPath(new URL('../../.cache/focus-validator-2.2.1', import.meta.url))
const PYTHONS: readonly { command: string; environment: Record<string, string> }[] = [
  { command: 'python3.12', environment: {} },
  // pyenv's own python3.12 is a stand-in that fails unless it is told which one.
  ...['3.12.1', '3.12'].map((version) => ({ command: 'python3.12', environment: { PYENV_VERSION: version } })),
  { command: 'python3.13', environment: {} },
  { command: 'python3', environment: {} },
]

export interface FocusValidator {
  /** The rules of FOCUS 1.2 that the file fails. */
  failuresOf(file: string): Promise<string[]>
}

/**
 * The official validator in a virtual environment under .cache/, made at the first run. A text instead says why there is none:
 * no working Python 3.12, or no way to its packages.
 */
export async function openFocusValidator(): Promise<FocusValidator | string> {
  const program = join(HOME, 'bin', 'focus-validator')
  if (!existsSync(program)) {
    const problem = await install()
    if (problem !== undefined) return problem
  }
  const lib = join(HOME, 'lib')
  const packages = join(lib, readdirSync(lib).find((name) => name.startsWith('python3')) ?? '', 'site-packages')
  return {
    failuresOf: async (file) => {
      const report = join(tmpdir(), `focus-${process.pid}.xml`)
      const asked = ['--block-download', '--validate-version', '1.2.0.1', '--focus-dataset', 'CostAndUsage', '--output-type', 'unittest']
      // It looks for its rules from the working directory, and exits 0 whatever it finds.
      await run(program, ['--data-file', file, ...asked, '--output-destination', report], { cwd: packages })
      const xml = readFileSync(report, 'utf8')
      rmSync(report)
      if (!/<testsuites [^>]*tests="[1-9]\d\d"[^>]*errors="0"/.test(xml)) throw new Error(`The validator did not run through: ${xml.slice(0, 400)}`)
      return [...xml.matchAll(/<failure name="([^"]+)"/g)].map((match) => match[1] ?? '')
    },
  }
}

async function install(): Promise<string | undefined> {
  for (const { command, environment } of PYTHONS) {
    const env = { ...process.env, ...environment }
    const version = await run(command, ['-c', 'import sys; print(sys.version_info >= (3, 12))'], { env }).catch(() => undefined)
    if (version?.stdout.trim() !== 'True') continue
    try {
      mkdirSync(HOME, { recursive: true })
      await run(command, ['-m', 'venv', HOME], { env })
      await run(join(HOME, 'bin', 'pip'), ['install', '--quiet', VALIDATOR, 'pyarrow<22'], { env, timeout: INSTALL_MS_MAX })
      return undefined
    } catch (thrown) {
      rmSync(HOME, { recursive: true, force: true })
      return `${VALIDATOR} cannot be installed: ${thrown instanceof Error ? thrown.message.slice(0, 300) : String(thrown)}`
    }
  }
  return 'there is no working Python 3.12'
}

const INSTALL_MS_MAX = 300_000
