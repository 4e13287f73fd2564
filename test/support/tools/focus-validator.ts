import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import type { FocusVersion } from '../../../contract/export-formats.ts'
import { openPythonTool } from './python-tool.ts'

const run = promisify(execFile)
const VALIDATOR = { program: 'focus-validator', version: '2.2.1', packages: ['pyarrow<22'], pythonMinor: 12 }

export interface FocusValidator {
  /** The rules of the version that the file violates. */
  failuresOf(file: string): Promise<string[]>
}

/**
 * Opens the official validator of FOCUS with the rules of a version. Returns the reason as a text if it or its rules are not available:
 * the package has those of 1.2 only, and downloads others. A test must not depend on a download that may change, so other rules are
 * read from the folder that FOCUS_RULES names, which holds files of the specification's releases as they are (model-1.3.….json).
 */
export async function openFocusValidator(version: FocusVersion): Promise<FocusValidator | string> {
  const rules = findRules(version)
  if (typeof rules === 'string') return rules
  const tool = await openPythonTool(VALIDATOR)
  if (tool.status === 'missing') return tool.reason
  const program = join(tool.home, 'bin', VALIDATOR.program)
  const lib = join(tool.home, 'lib')
  const packages = join(lib, readdirSync(lib).find((name) => name.startsWith('python3')) ?? '', 'site-packages')
  return {
    failuresOf: async (file) => {
      const report = join(tmpdir(), `focus-${process.pid}.xml`)
      // Without criteria it skips each rule that is conditional on what a provider supports, three quarters of all.
      const conditional = ['--applicability-criteria', 'ALL']
      const options = ['--block-download', ...rules.options, ...conditional, '--focus-dataset', 'CostAndUsage', '--output-type', 'unittest']
      // It finds its rules relative to the working directory, and exits with 0 even if rules are violated.
      await run(program, ['--data-file', file, ...options, '--output-destination', report], { cwd: packages })
      const xml = readFileSync(report, 'utf8')
      rmSync(report)
      if (!/<testsuites [^>]*tests="[1-9]\d\d"[^>]*errors="0"/.test(xml)) throw new Error(`The validator did not complete: ${xml.slice(0, 400)}`)
      return [...xml.matchAll(/<failure name="([^"]+)"/g)].map((match) => match[1] ?? '')
    },
  }
}

function findRules(version: FocusVersion): { readonly options: readonly string[] } | string {
  if (version === '1.2') return { options: ['--validate-version', '1.2.0.1'] }
  const folder = process.env['FOCUS_RULES']
  if (folder === undefined) return `its package has no rules of FOCUS ${version}; FOCUS_RULES can name a folder with them`
  const path = resolve(folder)
  // Not a reason to skip: who names a folder wants them checked.
  if (!readdirSync(path).some((name) => name.startsWith(`model-${version}`)))
    throw new Error(`FOCUS_RULES names ${path}, which has no model-${version}.….json.`)
  return { options: ['--rule-set-path', path, '--validate-version', version] }
}
