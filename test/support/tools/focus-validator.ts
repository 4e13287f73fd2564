import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { openPythonTool } from './python-tool.ts'

const run = promisify(execFile)
const VALIDATOR = { program: 'focus-validator', version: '2.2.1', packages: ['pyarrow<22'], pythonMinor: 12 }

export interface FocusValidator {
  /** The rules of FOCUS 1.2 that the file violates. */
  failuresOf(file: string): Promise<string[]>
}

/** Opens the official validator of FOCUS. Returns the reason as a text if it is not available. */
export async function openFocusValidator(): Promise<FocusValidator | string> {
  const tool = await openPythonTool(VALIDATOR)
  if (tool.status === 'missing') return tool.reason
  const program = join(tool.home, 'bin', VALIDATOR.program)
  const lib = join(tool.home, 'lib')
  const packages = join(lib, readdirSync(lib).find((name) => name.startsWith('python3')) ?? '', 'site-packages')
  return {
    failuresOf: async (file) => {
      const report = join(tmpdir(), `focus-${process.pid}.xml`)
      const options = ['--block-download', '--validate-version', '1.2.0.1', '--focus-dataset', 'CostAndUsage', '--output-type', 'unittest']
      // It finds its rules relative to the working directory, and exits with 0 even if rules are violated.
      await run(program, ['--data-file', file, ...options, '--output-destination', report], { cwd: packages })
      const xml = readFileSync(report, 'utf8')
      rmSync(report)
      if (!/<testsuites [^>]*tests="[1-9]\d\d"[^>]*errors="0"/.test(xml)) throw new Error(`The validator did not complete: ${xml.slice(0, 400)}`)
      return [...xml.matchAll(/<failure name="([^"]+)"/g)].map((match) => match[1] ?? '')
    },
  }
}
