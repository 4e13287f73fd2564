import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { ROOT } from '../support/source-files.ts'
import { startTestService, type TestService } from '../support/worlds/test-service.ts'

const read = (path: string) => readFileSync(join(ROOT, 'docs/operating', path), 'utf8')

const Dashboard = z.looseObject({
  panels: z.array(
    z.looseObject({
      id: z.number(),
      title: z.string().min(1),
      gridPos: z.object({ x: z.number(), y: z.number(), w: z.number(), h: z.number() }),
      targets: z.array(z.looseObject({ refId: z.string(), expr: z.string() })).optional(),
    }),
  ),
})
const AlertFile = z.object({ groups: z.array(z.looseObject({ rules: z.array(z.looseObject({ alert: z.string(), expr: z.string() })) })) })

const dashboard = Dashboard.parse(JSON.parse(read('grafana/meterline.json')))
const alerts = AlertFile.parse(parse(read('alerts.yml'))).groups.flatMap(({ rules }) => rules)

describe('what operators watch', () => {
  let tested: TestService
  /** Every metric that one process with all parts registers, with the series of its histograms and summaries. */
  let registered: Set<string>

  beforeAll(async () => {
    const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
    const webhook = { PROVISIONER: 'webhook', PROVISIONER_URL: 'http://127.0.0.1:9/', PROVISIONER_SECRET: secret, OUTGOING_ALLOW: '127.0.0.0/8' }
    tested = await startTestService(webhook)
    const { text } = await tested.client.call('GET', '/metrics')
    registered = new Set(
      [...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].flatMap(([, name = '', type]) =>
        type === 'histogram' ? [`${name}_bucket`, `${name}_count`, `${name}_sum`] : [name],
      ),
    )
  })
  afterAll(() => tested.stop())

  test('every metric of the dashboard is one that the service registers', () => {
    const used = dashboard.panels.flatMap(({ title, targets = [] }) => targets.flatMap(({ expr }) => metricsIn(expr).map((metric) => ({ title, metric }))))
    expect(used.length).toBeGreaterThan(30)
    expect(used.filter(({ metric }) => !registered.has(metric))).toEqual([])
  })

  test('every metric of the alerts is one that the service registers', () => {
    const used = alerts.flatMap(({ alert, expr }) => metricsIn(expr).map((metric) => ({ alert, metric })))
    expect(used.length).toBeGreaterThan(30)
    expect(used.filter(({ metric }) => !registered.has(metric))).toEqual([])
  })
})

test('every panel of the dashboard has its own id and place', () => {
  const { panels } = dashboard
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) => Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)},${y + Math.floor(cell / w)}`))
  expect(new Set(cells).size).toBe(cells.length)
})

test('every alert has a test that it fires', () => {
  const tests = read('alerts.test.yml')
  expect(alerts.map(({ alert }) => alert).filter((name) => !new RegExp(`${name}[|"\\b]|alertname: ${name}`).test(tests))).toEqual([])
})

test('the dashboard, the rules and the configuration of Prometheus are mounted where their programs read them', () => {
  const compose = readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8')
  for (const [, path = ''] of compose.matchAll(/^ {6}- \.\/(\S+?):\S+:ro$/gm))
    expect(() => readFileSync(join(ROOT, path, path.endsWith('provisioning') ? 'dashboards/meterline.yml' : ''))).not.toThrow()
  const provider = z
    .object({ providers: z.array(z.looseObject({ options: z.object({ path: z.string() }) })) })
    .parse(parse(read('grafana/provisioning/dashboards/meterline.yml')))
  for (const { options } of provider.providers) expect(compose).toContain(`meterline.json:${options.path}/meterline.json:ro`)
})

/** Names of metrics in an expression: all of ours and of Node begin with one of these words. */
function metricsIn(expression: string): string[] {
  return [...expression.matchAll(/\b(?:meterline|nodejs|process)_[a-z0-9_]+\b/g)].map(([name]) => name)
}
