import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EXPORT_FORMAT_NAMES, FOCUS_VERSIONS } from '../../contract/export-formats.ts'
import type { Credentials } from '../support/clients/client.ts'
import { runHere } from '../support/clients/run-here.ts'
import { runMeterline, spawnMeterline } from '../support/engines/service-process.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'
import { untilSo } from '../support/until-so.ts'
import { makeExportedMonths } from '../support/worlds/exported-month.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

let tested: TestService
let partner: Credentials
let environment: Record<string, string>
const directory = makeTemporaryDirectory()
beforeAll(async () => {
  tested = await startTestService()
  environment = { METERLINE_URL: tested.service.url, METERLINE_ACCESS_TOKEN: tested.service.adminToken }
  partner = await makeExportedMonths(tested.client)
})
afterAll(async () => {
  await tested.stop()
  directory.remove()
})

const pathOf = (name: string) => join(directory.path, name)
const exportTo = (name: string, ...args: string[]) =>
  runHere(['export', '--partner', partner.partnerId, '--month', '2026-02', ...args, '--out', pathOf(name)], environment)
/** Parquet is read by an embedded engine, and this process has one already. */
const verify = (name: string, ...args: string[]) => (name.endsWith('parquet') ? runMeterline : runHere)(['verify', pathOf(name), ...args], environment)

describe('meterline export and verify', () => {
  test.each(EXPORT_FORMAT_NAMES.filter((format) => format !== 'parquet'))(
    'an export of a closed month as %s is written with its manifest, and verified against manifest and service',
    async (format) => {
      expect(await exportTo(`closed.${format}`, '--format', format)).toMatchObject({ code: 0, stderr: '' })
      const manifest = JSON.parse(readFileSync(`${pathOf(`closed.${format}`)}.manifest.json`, 'utf8'))
      const bytes = readFileSync(pathOf(`closed.${format}`))
      expect(manifest).toMatchObject({
        format,
        status: 'closed',
        month: '2026-02',
        bytes: bytes.length,
        sha256: createHash('sha256').update(bytes).digest('hex'),
      })
      expect(await verify(`closed.${format}`)).toMatchObject({
        stderr: '',
        code: 0,
        stdout: expect.stringContaining('the month is closed and will not change'),
      })
      expect(readdirSync(directory.path).filter((name) => name.endsWith('.part'))).toEqual([])
    },
  )

  test.each(FOCUS_VERSIONS)('a file of FOCUS %s is verified against the service in its own version, whatever the default is', async (version) => {
    for (const format of ['focus-csv', 'focus-ndjson', 'focus-parquet', 'focus-billing-period']) {
      const name = `of-${version}.${format}`
      expect(await exportTo(name, '--format', format, '--focus', version)).toMatchObject({ code: 0, stderr: '' })
      expect(JSON.parse(readFileSync(`${pathOf(name)}.manifest.json`, 'utf8'))).toMatchObject({ format, focus_version: version })
      expect(await verify(name)).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('the month is closed and will not change') })
    }
  })

  test.each([
    ['csv', '--include'],
    ['ndjson', '--include'],
    ['xlsx', '--include'],
    ['parquet', '--include'],
    ['focus-csv', '--quantity'],
    ['focus-parquet', '--quantity'],
  ])('a file with byte-days as %s is verified against the service with them', async (format, option) => {
    const name = `by-days.${format}`
    expect(await exportTo(name, '--format', format, option, 'byte_days')).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(readFileSync(`${pathOf(name)}.manifest.json`, 'utf8'))).toMatchObject({ format, [option.slice(2)]: 'byte_days' })
    expect(await verify(name)).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('the month is closed and will not change') })
  })

  test('a FOCUS file whose manifest names no version, from before there were two, is verified as 1.2', async () => {
    await exportTo('old.csv', '--format', 'focus-csv', '--focus', '1.2')
    const manifestPath = `${pathOf('old.csv')}.manifest.json`
    const { focus_version, ...rest } = JSON.parse(readFileSync(manifestPath, 'utf8'))
    writeFileSync(manifestPath, JSON.stringify(rest))
    expect([focus_version, await verify('old.csv')]).toMatchObject(['1.2', { code: 0, stdout: expect.stringContaining('The service returns the same bytes') }])
  })

  test('a Parquet file with a number of 38 digits is verified to the last digit', async () => {
    expect(await exportTo('wide.parquet', '--month', '2026-01', '--format', 'parquet')).toMatchObject({ code: 0 })
    const { code, stdout } = await verify('wide.parquet', '--json')
    expect([code, JSON.parse(stdout).totals[0]]).toEqual([0, { line: 'usage', metric: 'ai_tokens', rows: 3, value: '12345678901234567890123456801.12345679' }])
  })

  test('P4: the NDJSON of a closed statement has the hash that the statement shows', async () => {
    await exportTo('canonical.ndjson', '--format', 'ndjson')
    const { body } = await tested.client.statement(partner, '2026-02')
    expect(
      createHash('sha256')
        .update(readFileSync(pathOf('canonical.ndjson')))
        .digest('hex'),
    ).toBe(body.statement.sha256)
  })

  test('a partner exports its own statement, and verifies it against the service', async () => {
    const own = { ...environment, METERLINE_ACCESS_TOKEN: partner.secret, METERLINE_PARTNER_ID: partner.partnerId }
    for (const format of ['csv', 'xlsx']) {
      const file = pathOf(`own.${format}`)
      expect(await runHere(['export', '--month', '2026-02', '--format', format, '--out', file], own)).toMatchObject({ code: 0, stderr: '' })
      const verified = await runHere(['verify', file], own)
      expect([verified.code, verified.stdout]).toEqual([0, expect.stringContaining('the month is closed and will not change')])
    }
    const usage = await runHere(['export', '--from', '2026-02-01', '--to', '2026-02-07'], own)
    expect([usage.code, usage.stderr]).toEqual([1, expect.stringContaining('A partner exports a statement.')])
  })

  test('verify says that the month of an export is open, and accepts later usage', async () => {
    await runHere(['export', '--from', '2026-03-01', '--to', '2026-03-31', '--out', pathOf('live.csv')], environment)
    await tested.client.send([{ event_id: 'more', project_id: 'quoted', metric: 'ai_tokens', value: 64, timestamp: '2026-03-09T10:00:00Z' }])
    expect(await verify('live.csv')).toMatchObject({ code: 0, stdout: expect.stringContaining('The month is open') })
  })

  test('export --json prints the name of the file and what it contains', async () => {
    const { stdout } = await runHere(['--json', 'export', '--month', '2026-02', '--out', pathOf('all.csv')], environment)
    expect(JSON.parse(stdout)).toMatchObject({ file: 'all.csv', partner_id: null, partners: 1, rows: 6 })
  })
})

describe('verify finds a changed file', () => {
  const falsify = (name: string, from: string | RegExp, to: string) => {
    const text = readFileSync(pathOf(name), 'utf8')
    expect(text.replace(from, to)).not.toBe(text)
    writeFileSync(pathOf(name), text.replace(from, to))
  }

  test.each(['csv', 'json', 'ndjson', 'focus-csv', 'focus-ndjson'])('verify finds one changed digit in a %s file', async (format) => {
    await exportTo(`false.${format}`, '--format', format)
    falsify(`false.${format}`, /1000/, '1001')
    const { code, stderr } = await verify(`false.${format}`, '--offline')
    expect(code).toBe(1)
    expect(stderr).toContain('sha256: ')
    expect(stderr).toContain('adjustment of database_size_bytes: 986 in the file, 985 in the manifest')
  })

  test('verify finds one changed byte in a Parquet file', async () => {
    await exportTo('false.parquet', '--format', 'parquet')
    const bytes = readFileSync(pathOf('false.parquet'))
    bytes[50] = (bytes[50] ?? 0) ^ 1
    writeFileSync(pathOf('false.parquet'), bytes)
    expect(await verify('false.parquet')).toMatchObject({ code: 1, stderr: expect.stringContaining('sha256: ') })
  })

  test('verify computes the hash of the statement from the rows of a workbook, and reports what is no workbook', async () => {
    await exportTo('book.xlsx', '--format', 'xlsx')
    const manifestPath = `${pathOf('book.xlsx')}.manifest.json`
    const manifest = JSON.parse(readFileSync(manifestPath, 'utf8'))
    writeFileSync(manifestPath, JSON.stringify({ ...manifest, statement_sha256: '0'.repeat(64) }))
    expect(await verify('book.xlsx', '--offline')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`sha256 of the statement: ${manifest.statement_sha256} in the file, 0000`),
    })
    writeFileSync(pathOf('book.xlsx'), 'no workbook')
    expect(await verify('book.xlsx', '--offline')).toMatchObject({ code: 1, stderr: expect.stringContaining('the file cannot be read: ') })
  })

  test('verify finds a changed file whose manifest was changed too, by comparing it with the service', async () => {
    await exportTo('both.csv')
    falsify('both.csv', /1000/, '1001')
    const manifest = JSON.parse(readFileSync(pathOf('both.csv.manifest.json'), 'utf8'))
    manifest.sha256 = createHash('sha256')
      .update(readFileSync(pathOf('both.csv')))
      .digest('hex')
    manifest.totals.find(({ line, metric }: Record<string, string>) => line === 'adjustment' && metric === 'database_size_bytes').value = '986'
    writeFileSync(pathOf('both.csv.manifest.json'), JSON.stringify(manifest))
    expect(await verify('both.csv', '--offline')).toMatchObject({ code: 0 })
    expect(await verify('both.csv')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('adjustment of database_size_bytes: 986 in the file, 985 in the service'),
    })
  })

  test('verify finds a changed line with a matching manifest, because the bytes of a closed month are reproducible', async () => {
    await exportTo('swapped.csv')
    const swapped = readFileSync(pathOf('swapped.csv'), 'utf8').replace('"active"', '"paused"')
    writeFileSync(pathOf('swapped.csv'), swapped)
    const manifestPath = `${pathOf('swapped.csv')}.manifest.json`
    const manifest = JSON.parse(readFileSync(manifestPath, 'utf8'))
    writeFileSync(manifestPath, JSON.stringify({ ...manifest, bytes: Buffer.byteLength(swapped), sha256: createHash('sha256').update(swapped).digest('hex') }))
    expect(await verify('swapped.csv')).toMatchObject({ code: 1, stderr: expect.stringContaining('the same export now') })
  })

  test('verify reports a month that was closed and is open now, as after a restore', async () => {
    await exportTo('restored.csv', '--month', '2026-10')
    const manifestPath = `${pathOf('restored.csv')}.manifest.json`
    writeFileSync(manifestPath, readFileSync(manifestPath, 'utf8').replace('"status": "open"', '"status": "closed"'))
    expect(await verify('restored.csv')).toMatchObject({ code: 1, stderr: expect.stringContaining('was a backup restored?') })
  })

  test('verify finds a missing row, and a file that ends within a row', async () => {
    await exportTo('cut.csv')
    const text = readFileSync(pathOf('cut.csv'), 'utf8')
    writeFileSync(pathOf('cut.csv'), text.slice(0, text.lastIndexOf('\r\n', text.length - 3) + 2))
    expect(await verify('cut.csv', '--offline')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/rows: 5 in the file, 6 in the manifest[\s\S]*manual of ai_tokens: nothing in the file, -3.5/),
    })
    writeFileSync(pathOf('cut.csv'), text.slice(0, -9))
    expect(await verify('cut.csv', '--offline')).toMatchObject({ code: 1, stderr: expect.stringContaining('stops within a row') })
  })

  test('verify fails for a file without its manifest', async () => {
    writeFileSync(pathOf('alone.csv'), 'x\r\n')
    expect(await verify('alone.csv')).toMatchObject({ code: 1, stderr: expect.stringContaining('manifest') })
  })
})

describe('an interrupted export leaves no file that passes verify', () => {
  test('a broken connection leaves neither a file nor the manifest of an older one', async () => {
    await exportTo('broken.csv')
    const out = pathOf('broken.csv')
    const { server, port } = await startFakeService((response) => response.write('partner_id,month\r\n', () => response.destroy()))
    const { code, stderr } = await runHere(['export', '--month', '2026-02', '--out', out], { ...environment, METERLINE_URL: `http://127.0.0.1:${port}` })
    server.close()
    expect([code, stderr]).toEqual([1, expect.stringContaining('ended the download early')])
    expect([existsSync(`${out}.part`), existsSync(`${out}.manifest.json`)]).toEqual([false, false])
    expect(await verify('broken.csv')).toMatchObject({ code: 1 })
  })

  test('a body that ends early without an error fails the export', async () => {
    const { server, port } = await startFakeService((response) => response.end())
    const at = { ...environment, METERLINE_URL: `http://127.0.0.1:${port}` }
    const { code, stderr } = await runHere(['export', '--month', '2026-02', '--out', pathOf('short.csv')], at)
    server.close()
    expect([code, stderr]).toEqual([1, expect.stringContaining('incomplete')])
    expect(readdirSync(directory.path).filter((name) => name.startsWith('short'))).toEqual([])
  })

  test('an export that is killed while it writes leaves only a .part file, which does not pass verify', async () => {
    const { server, port } = await startFakeService((response) => response.write('partner_id,month\r\n'))
    const killed = spawnMeterline(['export', '--month', '2026-02', '--out', pathOf('killed.csv')], {
      ...environment,
      METERLINE_URL: `http://127.0.0.1:${port}`,
    })
    await untilSo(async () => existsSync(pathOf('killed.csv.part')))
    killed.kill('SIGKILL')
    await once(killed, 'exit')
    server.closeAllConnections()
    server.close()
    expect(readdirSync(directory.path).filter((name) => name.startsWith('killed'))).toEqual(['killed.csv.part'])
    for (const name of ['killed.csv', 'killed.csv.part']) expect(await verify(name)).toMatchObject({ code: 1 })
  })

  test('an invalid request is reported with its reason, and writes no file', async () => {
    const before = readdirSync(directory.path).length
    const invalid = [
      [['--format', 'ods'], '--format: '],
      [['--format', 'focus-csv', '--focus', '1.1'], '--focus: '],
      [['--format', 'csv', '--focus', '1.3'], 'focus is only for formats of FOCUS'],
      [['--month', '2026-13'], '"2026-13" is not a month'],
      [['--month', '2025-12'], 'no statement for this month'],
      [['--from', '2026-01-01'], 'Set either month, or both from and to.'],
    ] as const
    for (const [args, message] of invalid) expect(await exportTo('never.csv', ...args)).toMatchObject({ stdout: '', stderr: expect.stringContaining(message) })
    expect(readdirSync(directory.path)).toHaveLength(before)
  })
})

async function startFakeService(answers: (response: ServerResponse) => void): Promise<{ server: Server; port: number }> {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'x-meterline-manifest': headerOf(), 'content-disposition': 'attachment; filename="x.csv"' })
    answers(response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, port: (server.address() as AddressInfo).port }
}

function headerOf(): string {
  return JSON.stringify({
    ...{ generator: 'x', format: 'csv', partner_id: null, partners: 1, month: '2026-02', from: '2026-02-01', to: '2026-02-28' },
    ...{ status: 'closed', statement_sha256: null, as_of: null, rows: 1, totals: [] },
  })
}
