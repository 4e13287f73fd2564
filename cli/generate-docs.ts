import { writeFile } from 'node:fs/promises'
import { configurationPage } from '../service/document-configuration.ts'
import { focusColumnsPage } from '../service/document-focus-columns.ts'
import { commandsPage } from './document-commands.ts'
import { buildProgram } from './program.ts'

/** `npm run docs`: writes the pages of the documentation that are generated. A test fails when they are stale. */
await writeFile(new URL('../docs/cli.md', import.meta.url), commandsPage(await buildProgram({})))
await writeFile(new URL('../docs/configuration.md', import.meta.url), configurationPage())
await writeFile(new URL('../docs/focus-columns.md', import.meta.url), focusColumnsPage())
