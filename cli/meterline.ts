import { buildProgram } from './program.ts'

const program = await buildProgram(process.env, process.argv.slice(2))
await program.parseAsync()
