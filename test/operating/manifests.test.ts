import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Deployment } from 'kubernetes-models/apps/v1'
import { Job } from 'kubernetes-models/batch/v1'
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1'
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1'
import { ConfigMap, Service } from 'kubernetes-models/v1'
import { describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { SERVER_LIMITS } from '../../api/server.ts'
import { buildProgram } from '../../cli/program.ts'
import packageJson from '../../package.json' with { type: 'json' }
import { ConfigSchema, readConfig } from '../../service/config.ts'
import { ROOT } from '../support/source-files.ts'

const FOLDER = join(ROOT, 'docs/operating/kubernetes')
const KINDS: Readonly<Record<string, new (data: never) => { validate(): void }>> = { ConfigMap, Deployment, Job, NetworkPolicy, PodDisruptionBudget, Service }
/** What holds names of ours, not fields of Kubernetes. */
const MAPS = ['annotations', 'data', 'labels', 'limits', 'matchLabels', 'requests']

const Manifest = z.looseObject({ kind: z.string(), metadata: z.looseObject({ name: z.string() }) })
const Container = z.looseObject({ image: z.string(), args: z.array(z.string()) })
const Pods = z.looseObject({
  spec: z.looseObject({
    template: z.looseObject({
      spec: z.looseObject({
        containers: z.array(Container),
        volumes: z.array(z.looseObject({ name: z.string() })).optional(),
        terminationGracePeriodSeconds: z.number().optional(),
      }),
    }),
  }),
})

const Peer = z.object({
  namespaceSelector: z.unknown().optional(),
  podSelector: z.object({ matchLabels: z.record(z.string(), z.string()).optional() }).optional(),
  ipBlock: z.object({ cidr: z.string(), except: z.array(z.string()) }).optional(),
})
const Policy = z.looseObject({
  spec: z.looseObject({
    podSelector: z.object({ matchLabels: z.record(z.string(), z.string()) }),
    policyTypes: z.array(z.string()),
    egress: z.array(z.object({ to: z.array(Peer).optional(), ports: z.array(z.object({ protocol: z.string(), port: z.number() })).optional() })),
  }),
})

const manifests = readdirSync(FOLDER).flatMap((file) => parseAllDocuments(readFileSync(join(FOLDER, file), 'utf8')).map((each) => Manifest.parse(each.toJS())))
const withPods = manifests.filter(({ kind }) => ['Deployment', 'Job'].includes(kind)).map((each) => Pods.parse(each).spec.template.spec)
const configured = z.object({ data: z.record(z.string(), z.string()) }).parse(manifests.find(({ kind }) => kind === 'ConfigMap')).data

describe('the manifests of Kubernetes', () => {
  test.each(manifests.map((manifest) => [`${manifest.kind} ${manifest.metadata.name}`, manifest] as const))(
    '%s follows the schema of its kind',
    (_, manifest) => {
      const Kind = KINDS[manifest.kind]
      if (Kind === undefined) throw new Error(`The test does not know the kind ${manifest.kind}.`)
      expect(() => new Kind(manifest as never).validate()).not.toThrow()
    },
  )

  test('every field is one that Kubernetes knows; its schemas accept others', () => {
    const known = fieldsOfKubernetes()
    expect(known.size).toBeGreaterThan(500)
    expect(manifests.flatMap((manifest) => fieldsOf(manifest)).filter((field) => !known.has(field))).toEqual([])
  })

  test('the ConfigMap and the Secret that the page creates are a valid configuration', () => {
    expect(Object.keys(configured).filter((name) => !Object.hasOwn(ConfigSchema.shape, name))).toEqual([])
    const page = readFileSync(join(ROOT, 'docs/operating/kubernetes.md'), 'utf8')
    const secret = [...page.matchAll(/--from-literal=(\w+)=/g)].map(([, name = '']) => name)
    const values: Record<string, string> = {
      ADMIN_TOKEN: randomBytes(32).toString('hex'),
      MASTER_KEY: randomBytes(32).toString('base64'),
      CLICKHOUSE_URL: 'http://meterline:p@clickhouse:8123/meterline',
    }
    expect(secret.sort()).toEqual(Object.keys(values).sort())
    expect(readConfig({ ...configured, ...values })).toMatchObject({ HOST: '0.0.0.0', PORT: 8080 })
  })

  test('aggregate has what automation needs: the master key, links to the service, and room for an export', () => {
    const { containers, volumes = [] } = withPods.find(({ containers: [first] }) => first?.args[0] === 'aggregate') ?? { containers: [] }
    expect(containers[0]?.['envFrom']).toEqual([{ configMapRef: { name: 'meterline' } }, { secretRef: { name: 'meterline' } }])
    expect(configured['PUBLIC_URL']).toMatch(/^https:/)
    // In memory, an export of more than its size could not be delivered.
    expect(volumes.find(({ name }) => name === 'tmp')).toEqual({ name: 'tmp', emptyDir: { sizeLimit: '10Gi' } })
  })

  test('only aggregate and api may call public addresses, none may call private ones, and each reaches what it uses', () => {
    const policies = manifests.filter(({ kind }) => kind === 'NetworkPolicy').map((each) => Policy.parse(each).spec)
    const partOf = (labels: Record<string, string> | undefined) => labels?.['app.kubernetes.io/component'] ?? ''
    expect(policies.map(({ podSelector }) => partOf(podSelector.matchLabels))).toEqual(['migrate', 'ingest', 'aggregate', 'api'])
    const reached = policies.map(({ podSelector, egress }) => {
      const to = egress.flatMap((rule) => rule.to ?? [])
      const apps = to.flatMap(({ podSelector: pods }) => pods?.matchLabels?.['app.kubernetes.io/name'] ?? [])
      return [partOf(podSelector.matchLabels), apps, to.flatMap(({ ipBlock }) => (ipBlock === undefined ? [] : [ipBlock.cidr]))]
    })
    expect(reached).toEqual([
      ['migrate', ['clickhouse'], []],
      ['ingest', ['clickhouse', 'kafka'], []],
      ['aggregate', ['clickhouse'], ['0.0.0.0/0']],
      ['api', ['clickhouse', 'kafka'], ['0.0.0.0/0']],
    ])
    for (const { egress, policyTypes } of policies) {
      expect(policyTypes).toEqual(['Ingress', 'Egress'])
      for (const { ipBlock } of egress.flatMap((rule) => rule.to ?? [])) if (ipBlock !== undefined) expect(ipBlock.except).toContain('169.254.0.0/16')
      // DNS alone has no receiver.
      expect(egress.filter(({ to }) => to === undefined).map(({ ports }) => ports?.map(({ port }) => port))).toEqual([[53, 53]])
    }
  })

  test('each Pod runs a command of this version, and may take longer to stop than the drain and the longest request', async () => {
    const { commands } = await buildProgram({})
    const graceMsMin = readConfig(configured).DRAIN_MS + SERVER_LIMITS.requestTimeout
    for (const { containers, terminationGracePeriodSeconds } of withPods)
      for (const { args, image } of containers) {
        expect(commands.map((command) => command.name())).toContain(args[0])
        expect(image).toMatch(new RegExp(`:${packageJson.version}$`))
        if (args[0] !== 'migrate') expect((terminationGracePeriodSeconds ?? 0) * 1000).toBeGreaterThan(graceMsMin)
      }
    expect(withPods.length).toBe(4)
  })
})

test('the unit of systemd starts this program, and gives it more time to stop than the drain and the longest request', () => {
  const unit = readFileSync(join(ROOT, 'docs/operating/meterline.service'), 'utf8')
  const settingOf = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(unit)?.[1]
  const start = z.object({ start: z.string() }).parse(packageJson.scripts).start
  const [, threads, flag] = /^(UV_\S+) node (--\S+) /.exec(start) ?? []
  expect(settingOf('ExecStart')).toContain(`DATA_DIR=/var/lib/${settingOf('StateDirectory')} /usr/bin/node ${flag} /opt/meterline/bin/meterline.mjs start`)
  expect(settingOf('Environment')).toContain(threads)
  expect(Number(settingOf('TimeoutStopSec')) * 1000).toBeGreaterThan(readConfig({}).DRAIN_MS + SERVER_LIMITS.requestTimeout)
})

/** The names of all fields below this value, except those within maps of names of ours. */
function fieldsOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(fieldsOf)
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([field, inner]) => [field, ...(MAPS.includes(field) || isLabels(inner) ? [] : fieldsOf(inner))])
}

/** The selector of a Service has labels, that of a Deployment has fields. */
function isLabels(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).some((name) => name.includes('/'))
}

function fieldsOfKubernetes(): Set<string> {
  const fields = ['kubernetes-models', '@kubernetes-models/apimachinery'].flatMap((name) => {
    const folder = join(ROOT, 'node_modules', name)
    const types = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => /(?:^|\/)v\d\/\w+\.d\.ts$/.test(file))
    return types.flatMap((file) => [...readFileSync(join(folder, file), 'utf8').matchAll(/^\s+["']?(\w+)["']?\??:/gm)].map(([, field = '']) => field))
  })
  return new Set(fields)
}
