import { readFileSync } from 'node:fs'
import type { Build } from '../contract/health.ts'
import packageJson from '../package.json' with { type: 'json' }

/** The version of this code and, in an image, the git commit that the Dockerfile wrote beside it. */
export function readBuild(): Build {
  const commit = readCommit()
  return { version: packageJson.version, ...(commit === undefined ? {} : { commit }) }
}

/** Undefined in a clone, and in an image that was built without GIT_COMMIT. */
function readCommit(): string | undefined {
  try {
    const text = readFileSync(new URL('../git-commit', import.meta.url), 'utf8').trim()
    return /^[0-9a-f]{7,64}$/.test(text) ? text : undefined
  } catch {
    return undefined
  }
}
