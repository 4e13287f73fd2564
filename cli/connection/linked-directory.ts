import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { CliError } from '../errors.ts'

/** What .meterline/project.json holds: ids and the service, never a secret. */
export const Link = z.object({ url: z.url({ protocol: /^https?$/ }), partner_id: z.string(), project_id: z.string(), project_name: z.string().optional() })
export type Link = z.output<typeof Link>

const FOLDER = '.meterline'
const FILE = 'project.json'

export interface LinkedDirectory {
  readonly directory: string
  readonly link: Link
}

/** The link of this directory or of the nearest one above it. Throws CliError for a damaged one. */
export function findLink(from: string): LinkedDirectory | undefined {
  for (let directory = from; ; directory = dirname(directory)) {
    const path = join(directory, FOLDER, FILE)
    const text = readIfThere(path)
    if (text !== undefined) {
      try {
        return { directory, link: Link.parse(JSON.parse(text)) }
      } catch {
        throw new CliError(`${path} is not what "meterline link" writes. Delete it, then link the directory again.`)
      }
    }
    if (dirname(directory) === directory) return undefined
  }
}

/** Links a directory. Its folder ignores itself in git: ids and addresses of one developer are of no use to another. */
export function writeLink(directory: string, link: Link): string {
  const folder = join(directory, FOLDER)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, '.gitignore'), '*\n')
  const path = join(folder, FILE)
  writeFileSync(path, `${JSON.stringify(link, null, 2)}\n`)
  return path
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
