import { CommanderError } from 'commander'
import { usageError } from './errors.ts'
import { printError } from './output.ts'
import { buildProgram } from './program.ts'

// A reader such as `head` that has seen enough is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(0)
})

const args = process.argv.slice(2)
const program = await buildProgram(process.env, args)
try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof CommanderError)) throw error
  process.exitCode = error.exitCode
  // Commander has printed it for people.
  if (error.exitCode !== 0 && args.includes('--json')) printError({ json: true }, usageError(error.message.replace(/^error: /, '').replaceAll('\n', ' ')))
}
