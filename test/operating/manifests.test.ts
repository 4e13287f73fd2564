import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { SERVER_LIMITS } from '../../api/server.ts'
import { buildProgram } from '../../cli/program.ts'
import packageJson from '../../package.json' with { type: 'json' }
import { ConfigSchema, readConfig } from '../../service/config.ts'
import { ROOT } from '../support/source-files.ts'
import { readManifests, unknownFieldsOf, validateManifest } from '../support/tools/kubernetes-manifests.ts'

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

const manifests = readManifests('docs/operating/kubernetes')
const withPods = manifests.filter(({ kind }) => ['Deployment', 'Job'].includes(kind)).map((each) => Pods.parse(each).spec.template.spec)
const configured = z.object({ data: z.record(z.string(), z.string()) }).parse(manifests.find(({ kind }) => kind === 'ConfigMap')).data

describe('the manifests of Kubernetes', () => {
  test.each(manifests.map((manifest) => [`${manifest.kind} ${manifest.metadata.name}`, manifest] as const))(
    '%s follows the schema of its kind',
    (_, manifest) => {
      expect(() => validateManifest(manifest)).not.toThrow()
    },
  )

  test('every field is one that Kubernetes knows; its schemas accept others', () => {
    expect(unknownFieldsOf([...manifests, { kind: 'Any', metadata: { name: 'any' }, speck: {} }])).toEqual(['speck'])
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
