import type { Command } from 'commander'
import { type CommandRegistration, withExamples } from '../command.ts'
import { usageError } from '../errors.ts'

export const completionCommand: CommandRegistration = (program, run) => {
  withExamples(
    program
      .command('completion <shell>')
      .description('print a script that completes commands and options: bash, zsh or fish')
      .action((shell: string) =>
        run(async () => {
          const script = SCRIPTS[shell]
          if (script === undefined) throw usageError(`"${shell}" is not a shell that can be completed.`, `Give one of ${Object.keys(SCRIPTS).join(', ')}.`)
          process.stdout.write(script(wordsOf(program)))
        }),
      ),
    ['source <(meterline completion bash)', 'in ~/.bashrc'],
    ['source <(meterline completion zsh)', 'in ~/.zshrc, after compinit'],
    ['meterline completion fish > ~/.config/fish/completions/meterline.fish', 'once'],
  )
}

interface Words {
  /** A command as it is typed, '' for the program itself. */
  readonly path: string
  readonly description: string
  readonly words: readonly { readonly word: string; readonly description: string }[]
}

/** For each command: the words that can follow it. The script is complete in itself, so that pressing TAB starts no process. */
function wordsOf(program: Command): Words[] {
  const common = program.options.map(wordOf)
  const of = (command: Command, path: string): Words[] => {
    const below = command.commands.map((each) => ({ word: each.name(), description: each.description() }))
    const options = command === program ? common : [...command.options.filter(({ hidden }) => !hidden).map(wordOf), ...common]
    return [
      { path, description: command.description(), words: [...below, ...options, { word: '--help', description: 'options and examples' }] },
      ...command.commands.flatMap((each) => of(each, `${path} ${each.name()}`.trim())),
    ]
  }
  return of(program, '')
}

function wordOf({ long, short, description }: { long?: string | undefined; short?: string | undefined; description: string }) {
  return { word: long ?? short ?? '', description }
}

const SCRIPTS: Record<string, (commands: readonly Words[]) => string> = { bash, zsh, fish }

function bash(commands: readonly Words[]): string {
  return `# Completion of meterline for bash: source <(meterline completion bash)
_meterline() {
  local path="" word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $word == -* ]] && continue
    case "\${path:+$path }$word" in
      ${pathsOf(commands)}) path="\${path:+$path }$word" ;;
    esac
  done
  local words=""
  case "$path" in
${commands.map(({ path, words }) => `    ${quoted(path)}) words=${quoted(words.map(({ word }) => word).join(' '))} ;;`).join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _meterline meterline
`
}

function zsh(commands: readonly Words[]): string {
  return `#compdef meterline
# Completion of meterline for zsh: source <(meterline completion zsh)
_meterline() {
  local path="" word
  for word in "\${(@)words[2,CURRENT-1]}"; do
    [[ $word == -* ]] && continue
    case "\${path:+$path }$word" in
      ${pathsOf(commands)}) path="\${path:+$path }$word" ;;
    esac
  done
  local -a found
  case "$path" in
${commands.map(({ path, words }) => `    ${quoted(path)}) found=(${words.map(({ word, description }) => quoted(`${word}:${description}`)).join(' ')}) ;;`).join('\n')}
  esac
  _describe 'meterline' found || _files
}
compdef _meterline meterline
`
}

function fish(commands: readonly Words[]): string {
  const lines = commands.flatMap(({ path, words }) =>
    words.map(({ word, description }) => {
      const name = word.startsWith('--') ? `-l ${word.slice(2)}` : `-a ${word}`
      return `complete -c meterline -n ${quoted(`__meterline_at ${quoted(path)}`)} ${word.startsWith('--') ? '' : '-f '}${name} -d ${quoted(description)}`
    }),
  )
  return `# Completion of meterline for fish
function __meterline_at
  set -l path
  for word in (commandline -opc)[2..-1]
    string match -q -- '-*' $word; and continue
    contains -- (string join ' ' $path $word) ${commands.map(({ path }) => quoted(path)).join(' ')}; and set -a path $word
  end
  test (string join ' ' $path) = "$argv[1]"
end
${lines.join('\n')}
`
}

function pathsOf(commands: readonly Words[]): string {
  return commands
    .filter(({ path }) => path !== '')
    .map(({ path }) => quoted(path))
    .join('|')
}

/** As one word of a shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
