import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { makeTemporaryDirectory } from '../temporary-directory.ts'
import { openPythonTool } from './python-tool.ts'

// Hypothesis makes the examples of a seed, so its version is a part of the seed.
const TOOL = { program: 'schemathesis', version: '4.32.5', packages: ['hypothesis==6.170.15'], pythonMinor: 10 }
const HOOKS = fileURLToPath(new URL('schemathesis-hooks.py', import.meta.url))

/**
 * What an answer is held to. Left out, and why:
 * - positive_data_acceptance: what a schema allows may still be refused with a documented 400 or 404: a cursor that is not ours,
 *   a month that does not exist, two fields that exclude each other.
 * - unsupported_method: a path with another method is 404 in this contract (DESIGN.md, section 6), not 405.
 * - object_level_authorization: the test of tenants asks more, of every route and every id.
 * - use_after_free, ensure_resource_availability: they need the stateful phase, which runs minutes; and a deleted project's
 *   usage is readable on purpose.
 */
const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_headers_conformance',
  'response_schema_conformance',
  'negative_data_rejection',
  'missing_required_header',
  'allow_header_conformance',
  'ignored_auth',
]

/** A run in which a route never came past its credentials or its 404 has not tried it. */
const FAILING_WARNINGS = ['missing_auth', 'missing_test_data', 'missing_deserializer', 'unused_openapi_auth', 'unresolvable_reference', 'rate_limited']

export interface SchemathesisRun {
  readonly url: string
  readonly seed: number
  readonly examplesMax: number
  /** Regular expressions over the paths of the description. */
  readonly include: string
  readonly exclude?: string
  /** By the name of the security scheme. */
  readonly credentials: Readonly<Record<string, { kind: 'api_key' | 'bearer'; secret: string }>>
  /** Real values by `in.name`, such as `path.partnerId`: often used, beside made up ones. */
  readonly known: Readonly<Record<string, readonly string[]>>
}

export interface Schemathesis {
  /** What it found, with a curl for each, without the secrets of its requests. */
  run(asked: SchemathesisRun): Promise<{ status: 'passed' | 'failed'; report: string }>
}

/** A text instead says why there is none. */
export async function openSchemathesis(): Promise<Schemathesis | string> {
  const tool = await openPythonTool(TOOL)
  if (tool.status === 'missing') return tool.reason
  const program = join(tool.home, 'bin', TOOL.program)
  return {
    run: async (asked) => {
      // It leaves files where it works.
      const directory = makeTemporaryDirectory()
      const config = join(directory.path, 'schemathesis.toml')
      writeFileSync(config, configOf(asked), { mode: 0o600 })
      const env = { ...process.env, NO_COLOR: '1', SCHEMATHESIS_HOOKS: HOOKS, KNOWN_VALUES: JSON.stringify(asked.known) }
      const { code, output } = await execute(program, ['--config-file', config, 'run', ...argumentsOf(asked)], { cwd: directory.path, env })
      directory.remove()
      // 0: nothing found, 1: something found. Anything else, or no count of requests, is a run that proves nothing.
      if ((code !== 0 && code !== 1) || !/\d+ generated/.test(output))
        throw new Error(`Schemathesis did not run through:\n${output.slice(-OUTPUT_CHARACTERS_MAX)}`)
      return { status: code === 0 ? 'passed' : 'failed', report: reportOf(output) }
    },
  }
}

function argumentsOf({ url, seed, examplesMax, include, exclude }: SchemathesisRun): string[] {
  return [
    `${url}/openapi.json`,
    ...['--phases', 'examples,coverage,fuzzing'],
    ...['--include-path-regex', include, ...(exclude === undefined ? [] : ['--exclude-path-regex', exclude])],
    ...['--seed', String(seed), '--max-examples', String(examplesMax)],
    ...['--generation-database', 'none', '--continue-on-failure', '--no-color'],
  ]
}

/** JSON's texts and lists are TOML's. */
function configOf({ credentials, known }: SchemathesisRun): string {
  const schemes = Object.entries(credentials).map(([scheme, { kind, secret }]) => `${scheme} = { ${kind} = ${JSON.stringify(secret)} }`)
  const names = Object.keys(known)
  return [
    // Two requests at a time would make the order of changes, and so a found failure, another one in each run.
    'workers = 1',
    'cache.enabled = false',
    `warnings.fail-on = ${JSON.stringify(FAILING_WARNINGS)}`,
    'checks.enabled = false',
    ...CHECKS.map((check) => `checks.${check}.enabled = true`),
    'checks.response_schema_conformance.validate-formats = true',
    // Other methods on its paths are what the fuzz of ours sends.
    'phases.coverage.unexpected-methods = []',
    // Ids come from `known` alone: one that an answer gave may be of a partner whose secrets another run needs.
    ...['examples', 'coverage', 'fuzzing'].map((phase) => `phases.${phase}.extra-data-sources.responses = false`),
    '[auth.openapi]',
    ...schemes,
    '[dictionaries]',
    ...names.map((name) => `${JSON.stringify(name)} = { values = ${JSON.stringify(known[name])} }`),
    '[parameters]',
    ...names.map((name) => `${JSON.stringify(name)} = { dictionary = ${JSON.stringify(name)}, probability = ${KNOWN_PROBABILITY} }`),
    // An event is judged alone: a request that holds a bad one is 200, and says which.
    '[[operations]]',
    'include-path = "/v1/events"',
    'checks.negative_data_rejection.enabled = false',
  ].join('\n')
}

const KNOWN_PROBABILITY = 0.8
const OUTPUT_CHARACTERS_MAX = 20_000
const LINE_CHARACTERS_MAX = 1_500

/** From the first thing it says of what it found; a line of a megabyte of made up text helps nobody. */
function reportOf(output: string): string {
  const from = output.search(/^=+ (?:ERRORS|FAILURES|WARNINGS|SUMMARY) =+$/m)
  const lines = output.slice(from).split('\n')
  return lines.map((line) => (line.length > LINE_CHARACTERS_MAX ? `${line.slice(0, LINE_CHARACTERS_MAX)}… (${line.length} characters)` : line)).join('\n')
}

function execute(program: string, args: readonly string[], options: { cwd: string; env: NodeJS.ProcessEnv }): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const child = execFile(program, args, { ...options, maxBuffer: 2 ** 28 }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, output: stdout + stderr }),
    )
    child.stdin?.end()
  })
}
