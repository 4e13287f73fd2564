import { spawnSync } from 'node:child_process'
import type { Command } from 'commander'
import { beforeAll, expect, test } from 'vitest'
import { examplesOf } from '../../cli/command.ts'
import { describe as describeProgram, leavesOf, type ProgramDescription } from '../../cli/commands/help.ts'
import { buildProgram } from '../../cli/program.ts'
import { runHere } from '../support/clients/run-here.ts'
import { runMeterline } from '../support/engines/service-process.ts'

let program: Command
beforeAll(async () => {
  program = await buildProgram({})
})

test('the help of every command has examples, with options that the command has', () => {
  const global = program.options.flatMap(({ short, long }) => [short, long])
  for (const { path, command } of leavesOf(program)) {
    const examples = examplesOf(command)
    expect(examples.length, `examples of ${path.join(' ')}`).toBeGreaterThan(0)
    const known = [...global, ...command.options.flatMap(({ short, long }) => [short, long]), '--help']
    // What a shell runs besides, such as another command of a pipe, is not checked.
    const ours = examples.flatMap(([call]) => [...call.matchAll(/meterline (?!export[^|]*\| )[^|<>()]*/g)].map(([text]) => text))
    expect(ours.length, `calls of ${path.join(' ')}`).toBeGreaterThan(0)
    for (const call of ours.filter((each) => each.startsWith(`meterline ${path.join(' ')}`)))
      for (const [flag] of call.matchAll(/(?<= )--?[a-z][a-z-]*/g)) expect(known, call).toContain(flag)
  }
})

test('help --json describes every command, option, exit code and variable for programs', async () => {
  const { code, stdout, stderr } = await runMeterline(['help', '--json'])
  expect([code, stderr]).toEqual([0, ''])
  const described = JSON.parse(stdout) as ProgramDescription
  expect(described).toEqual(JSON.parse(JSON.stringify(describeProgram(program))))
  expect(described.exit_codes).toEqual({ ok: 0, error: 1, notAuthenticated: 2, projectNotLinked: 3, notFound: 4, permissionDenied: 5 })
  expect(described.commands.find(({ command }) => command === 'log source use')?.examples.length).toBeGreaterThan(0)
  expect(described.environment.map(({ name }) => name)).toContain('METERLINE_ACCESS_TOKEN')
})

test.each([
  [['usages'], "unknown command 'usages'"],
  [['usage', '--fro', '2026-01-01'], "unknown option '--fro'"],
  [['usage', '--by', 'week'], '--by "week" is none of metric, day, project.'],
  [['usage', '--month', '2026-13'], '--month "2026-13"'],
  [['link', 'a', 'b'], 'too many arguments'],
  [['verify'], "missing required argument 'file'"],
  [['help', 'nothing'], 'There is no command "nothing".'],
])('a mistake in the call %j is one line that says which', async (args, message) => {
  const plain = await runHere(args)
  expect([plain.code, plain.stdout]).toEqual([1, ''])
  expect(plain.stderr).toContain(message)
  const { code, stdout, stderr } = await runHere([...args, '--json'])
  expect([code, stdout]).toEqual([1, ''])
  expect(JSON.parse(stderr)).toEqual({
    error: expect.stringContaining(message),
    code: 'INVALID_USAGE',
    next: expect.toBeOneOf([null, expect.any(String)]),
    request_id: null,
    retryable: false,
  })
})

const shells = ['bash', 'zsh', 'fish'] as const
test.each(shells)('the completion for %s names the commands and options of this version', async (shell) => {
  const { code, stdout, stderr } = await runHere(['completion', shell])
  expect([code, stderr]).toEqual([0, ''])
  for (const { path } of leavesOf(program)) expect(stdout).toContain(path.at(-1))
  const parsed = spawnSync(shell, ['-n'], { input: stdout, encoding: 'utf8' })
  // Not every machine has every shell.
  if (parsed.error === undefined) expect([parsed.status, parsed.stderr]).toEqual([0, ''])
})

test('bash completes commands, their subcommands and options', async () => {
  const { stdout } = await runHere(['completion', 'bash'])
  const complete = (words: readonly string[]) => {
    const script = `${stdout}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}
$(complete -p meterline | sed 's/.*-F \\([^ ]*\\).*/\\1/') meterline '${words.at(-1)}' '${words.at(-2)}'; printf '%s\\n' "\${COMPREPLY[@]}"`
    return spawnSync('bash', ['-c', script], { encoding: 'utf8' })
      .stdout.split('\n')
      .map((each) => each.trim())
      .filter((each) => each !== '')
  }
  expect(complete(['meterline', 'usa'])).toEqual(['usage'])
  expect(complete(['meterline', 'token', 'rev'])).toEqual(['revoke'])
  expect(complete(['meterline', 'usage', '--mo'])).toEqual(['--month'])
})
