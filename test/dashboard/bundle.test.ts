import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const ASSETS = new URL('../../dist/dashboard/assets/', import.meta.url)
const SCRIPT_GZIP_BYTES_MAX = 40 * 1024

test('a partner loads at most 40 KiB of JavaScript, compressed; the further pages of an admin are not larger', () => {
  const index = readFileSync(new URL('../index.html', ASSETS), 'utf8')
  const scripts = readdirSync(ASSETS).filter((name) => name.endsWith('.js.gz'))
  const first = scripts.filter((name) => index.includes(name.replace(/\.gz$/, '')))
  expect(first).toHaveLength(1)
  for (const name of scripts) expect(readFileSync(new URL(name, ASSETS)).length, name).toBeLessThan(SCRIPT_GZIP_BYTES_MAX)
})

test('the files are those that users get, without what only development needs, such as paths of sources', () => {
  const sources = fileURLToPath(new URL('../../dashboard/', import.meta.url))
  for (const name of readdirSync(ASSETS).filter((file) => file.endsWith('.js'))) expect(readFileSync(new URL(name, ASSETS), 'utf8')).not.toContain(sources)
})

test('the page and its files name no other host', () => {
  const files = readdirSync(ASSETS).filter((name) => /\.(?:js|css)$/.test(name))
  for (const name of files) {
    const hosts = readFileSync(new URL(name, ASSETS), 'utf8').match(/https?:\/\/[^"'`\s)]+/g) ?? []
    // Namespaces of XML are names, not addresses.
    expect(hosts.filter((address) => !address.startsWith('http://www.w3.org/'))).toEqual([])
  }
})
