import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { makeTemporaryDirectory } from '../temporary-directory.ts'
import { openPythonTool } from './python-tool.ts'

// Hypothesis generates the examples from the seed, so a seed is only valid for one version of it.
const TOOL = { program: 'schemathesis', version: '4.32.5', packages: ['hypothesis==6.170.15'], pythonMinor: 10 }
const HOOKS = fileURLToPath(new URL('schemathesis-hooks.py', import.meta.url))

/**
 * The checks that every answer must pass. Excluded are:
 * - positive_data_acceptance: data that a schema allows may still be rejected with a documented 400 or 404, such as a foreign
 *   cursor, a month that does not exist, or two fields that exclude each other.
 * - unsupported_method: in this API another method on a path is 404, not 405.
 * - object_level_authorization: the test of tenant isolation checks more, with every route and every id.
 * - use_after_free, ensure_resource_availability: they need the stateful phase, which takes minutes; and the usage of a deleted
 *   project stays readable on purpose.
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

/** These warnings fail a run, because a route that never got past its credentials or its 404 was not tested. */
const FAILING_WARNINGS = ['missing_auth', 'missing_test_data', 'missing_deserializer', 'unused_openapi_auth', 'unresolvable_reference', 'rate_limited']

export interface SchemathesisRun {
  readonly url: string
  readonly seed: number
  readonly examplesMax: number
  /** Regular expressions for paths of the OpenAPI description. */
  readonly include: string
  readonly exclude?: string
  /** Credentials by the name of the security scheme. */
  readonly credentials: Readonly<Record<string, { kind: 'api_key' | 'bearer'; secret: string }>>
  /** Existing values by `in.name`, such as `path.partnerId`. They are mixed with generated ones. */
  readonly known: Readonly<Record<string, readonly string[]>>
}

export interface Schemathesis {
  /** Runs the tool. The report lists each failure with a curl command, without the secrets of the requests. */
  run(options: SchemathesisRun): Promise<{ status: 'passed' | 'failed'; report: string }>
}

/** Opens Schemathesis. Returns the reason as a text if it is not available. */
export async function openSchemathesis(): Promise<Schemathesis | string> {
  const tool = await openPythonTool(TOOL)
  if (tool.status === 'missing') return tool.reason
  const program = join(tool.home, 'bin', TOOL.program)
  return {
    run: async (options) => {
      // It writes files into its working directory.
      const directory = makeTemporaryDirectory()
      const config = join(directory.path, 'schemathesis.toml')
      writeFileSync(config, configOf(options), { mode: 0o600 })
      const env = { ...process.env, NO_COLOR: '1', SCHEMATHESIS_HOOKS: HOOKS, KNOWN_VALUES: JSON.stringify(options.known) }
      const { code, output } = await execute(program, ['--config-file', config, 'run', ...argumentsOf(options)], { cwd: directory.path, env })
      directory.remove()
      // 0: no failure, 1: failures. With any other code, or without a count of requests, the run proves nothing.
      if ((code !== 0 && code !== 1) || !/\d+ generated/.test(output))
        throw new Error(`Schemathesis did not complete:\n${output.slice(-OUTPUT_CHARACTERS_MAX)}`)
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

/** The configuration as TOML, in which texts and lists are written as in JSON. */
function configOf({ credentials, known }: SchemathesisRun): string {
  const schemes = Object.entries(credentials).map(([scheme, { kind, secret }]) => `${scheme} = { ${kind} = ${JSON.stringify(secret)} }`)
  const names = Object.keys(known)
  return [
    // With concurrent requests the order of changes, and so the failures, would differ from run to run.
    'workers = 1',
    'cache.enabled = false',
    `warnings.fail-on = ${JSON.stringify(FAILING_WARNINGS)}`,
    'checks.enabled = false',
    ...CHECKS.map((check) => `checks.${check}.enabled = true`),
    'checks.response_schema_conformance.validate-formats = true',
    // Other methods are tested with test/support/clients/strange-requests.ts.
    'phases.coverage.unexpected-methods = []',
    // Ids come only from `known`: an id from an answer may belong to a partner whose secrets another run needs.
    ...['examples', 'coverage', 'fuzzing'].map((phase) => `phases.${phase}.extra-data-sources.responses = false`),
    '[auth.openapi]',
    ...schemes,
    '[dictionaries]',
    ...names.map((name) => `${JSON.stringify(name)} = { values = ${JSON.stringify(known[name])} }`),
    '[parameters]',
    ...names.map((name) => `${JSON.stringify(name)} = { dictionary = ${JSON.stringify(name)}, probability = ${KNOWN_PROBABILITY} }`),
    // Every event and every project of a batch is validated separately: a request with an invalid one is 200 and lists the rejection.
    ...['/v1/events', '/admin/v1/projects/batch'].flatMap((path) => [
      '[[operations]]',
      `include-path = ${JSON.stringify(path)}`,
      'checks.negative_data_rejection.enabled = false',
    ]),
  ].join('\n')
}

const KNOWN_PROBABILITY = 0.8
const OUTPUT_CHARACTERS_MAX = 20_000
const LINE_CHARACTERS_MAX = 1_500

/** The output from the first section about failures. Lines are cut, because a generated text can have a megabyte. */
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
