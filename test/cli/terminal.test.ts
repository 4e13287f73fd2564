import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Credentials } from '../support/clients/client.ts'
import { runMeterline } from '../support/engines/service-process.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'
import { untilSo } from '../support/until-so.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

const LAUNCHER = fileURLToPath(new URL('../../bin/meterline.mjs', import.meta.url))
const hasTmux = spawnSync('tmux', ['-V']).status === 0

let tested: TestService
let partner: Credentials
const temporary = makeTemporaryDirectory()
const config = join(temporary.path, 'config')
const socket = join(temporary.path, 'tmux')
const tmux = (...args: string[]) => execFileSync('tmux', ['-S', socket, ...args], { encoding: 'utf8' })

beforeAll(async () => {
  tested = await startTestService()
  partner = await tested.client.createPartner('Ours')
  await tested.client.registerProject('shop', partner.partnerId, { name: 'Shop' })
  if (hasTmux) tmux('-f', '/dev/null', 'new-session', '-d', '-s', 'terminal', '-x', '100', '-y', '30', 'sh')
})
afterAll(async () => {
  if (hasTmux) tmux('kill-server')
  await tested.stop()
  temporary.remove()
})

test('without a terminal nothing is asked: the secret comes on stdin, and an empty one is an error', async () => {
  const environment = { METERLINE_URL: tested.service.url, XDG_CONFIG_HOME: join(temporary.path, 'piped') }
  const login = ['login', '--partner', partner.partnerId]
  expect(await runMeterline(login, environment, { input: '' })).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('stdin') })
  expect(await runMeterline(login, environment, { input: `${partner.secret}\n` })).toMatchObject({ code: 0 })
})

describe.skipIf(!hasTmux)('in a terminal (skipped without tmux)', () => {
  test('login asks for the service, the secret and the partner, and does not show the secret', async () => {
    const screen = start('login', ['login'])
    await screen.shows('URL of the service [http://127.0.0.1:8080]:')
    type(tested.service.url)
    await screen.shows('Partner secret, admin token or ingest key:')
    type(partner.secret)
    await screen.shows('Id of the partner:')
    type(partner.partnerId)
    await screen.shows(`Logged in: partner Ours (${partner.partnerId})`)
    expect(await screen.ends()).toBe(0)
    expect(screen.text()).not.toContain(partner.secret.slice(0, 12))
  })

  test('login that is interrupted changes nothing', async () => {
    const before = readFileSync(join(config, 'meterline', 'credentials.json'), 'utf8')
    const screen = start('interrupted', ['login', '--profile', 'second', '--url', tested.service.url])
    await screen.shows('Partner secret')
    tmux('send-keys', '-t', 'terminal', 'C-c')
    await screen.shows('Interrupted. Nothing was changed.')
    expect(await screen.ends()).toBe(1)
    expect(readFileSync(join(config, 'meterline', 'credentials.json'), 'utf8')).toBe(before)
  })

  test('delete asks, and only a yes deletes', async () => {
    const asked = start('asked', ['delete', 'shop'])
    await asked.shows('Delete Shop (shop) permanently? [y/N]')
    type('')
    await asked.shows('Nothing was changed.')
    expect(await asked.ends()).toBe(1)
    const confirmed = start('confirmed', ['delete', 'shop'])
    await confirmed.shows('[y/N]')
    type('y')
    await confirmed.shows('shop is deleted.')
    expect(await confirmed.ends()).toBe(0)
  })

  test('import shows its progress, and then the result', async () => {
    const rows = Array.from({ length: 50_000 }, (_, index) => `e-${index},shop,ai_tokens,1,2026-01-01T00:00:00Z`)
    const file = join(temporary.path, 'usage.csv')
    writeFileSync(file, ['event_id,project_id,metric,value,timestamp', ...rows, ''].join('\n'))
    const key = join(temporary.path, 'key')
    writeFileSync(key, await tested.client.createIngestKey(), { mode: 0o600 })
    const screen = start('import', ['import', file, '--url', tested.service.url], `METERLINE_ACCESS_TOKEN_FILE='${key}'`)
    await screen.shows('Importing usage.csv')
    await screen.shows('50,000 accepted')
    expect(await screen.ends()).toBe(0)
    expect(screen.text()).not.toContain('Importing')
  })

  test('link lets choose from the projects', async () => {
    await tested.client.registerProject('other', partner.partnerId, { name: 'Other' })
    const screen = start('link', ['link'])
    await screen.shows('1  Other  (other)')
    type('1')
    await screen.shows('This directory is linked to Other (other).')
    expect(await screen.ends()).toBe(0)
  })

  test('link lets choose a paused project too, also where none is active', async () => {
    for (const id of ['shop', 'other']) await tested.client.partner(partner, 'DELETE', `/${id}`)
    await tested.client.registerProject('resting', partner.partnerId, { name: 'Resting', status: 'paused' })
    const screen = start('link-paused', ['link'])
    await screen.shows('1  Resting  (resting, paused)')
    type('1')
    await screen.shows('This directory is linked to Resting (resting).')
    expect(await screen.ends()).toBe(0)
  })

  test('close asks before it closes a month of all partners, with their number', async () => {
    await tested.client.createPartner('Theirs')
    for (const { id } of (await tested.client.admin('GET', '/admin/v1/partners')).body.partners) await tested.client.billFrom(id, '2026-01')
    const token = join(temporary.path, 'admin-token')
    writeFileSync(token, tested.service.adminToken, { mode: 0o600 })
    const screen = start('close', ['close', '--month', '2026-01', '--url', tested.service.url], `METERLINE_ACCESS_TOKEN_FILE='${token}'`)
    await screen.shows('Close 2026-01 for 2 partners? A closed month never changes. [y/N]')
    type('n')
    await screen.shows('Nothing was changed.')
    expect(await screen.ends()).toBe(1)
    const { partners } = (await tested.client.admin('GET', '/admin/v1/partners')).body
    expect(partners.map(({ closed_through }: { closed_through: string | null }) => closed_through)).toEqual([null, null])
  })
})

/** Starts a command in a new shell, on an empty screen: what an earlier command asked must not look like this one's question. */
function start(name: string, args: readonly string[], variables = '') {
  const done = join(temporary.path, `${name}.exit`)
  const script = join(temporary.path, `${name}.sh`)
  writeFileSync(
    script,
    `cd '${temporary.path}'; export XDG_CONFIG_HOME='${config}'; ${variables} '${process.execPath}' '${LAUNCHER}' ${args.join(' ')}; echo $? > '${done}.new'; mv '${done}.new' '${done}'\n`,
  )
  tmux('respawn-pane', '-k', '-t', 'terminal', 'sh')
  type(`. ${script}`)
  const text = () => tmux('capture-pane', '-p', '-t', 'terminal')
  return {
    text,
    /** Waits until the screen has this text. */
    shows: (wanted: string) => untilSo(async () => text().replaceAll(/\s+/g, ' ').includes(wanted.replaceAll(/\s+/g, ' '))),
    /** Waits for the exit code. */
    ends: async () => {
      await untilSo(async () => existsSync(done))
      return Number(readFileSync(done, 'utf8'))
    },
  }
}

function type(text: string): void {
  if (text !== '') tmux('send-keys', '-t', 'terminal', '-l', text)
  tmux('send-keys', '-t', 'terminal', 'Enter')
}
