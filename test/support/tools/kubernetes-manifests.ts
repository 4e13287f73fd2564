import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Deployment, StatefulSet } from 'kubernetes-models/apps/v1'
import { Job } from 'kubernetes-models/batch/v1'
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1'
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1'
import { ConfigMap, Service } from 'kubernetes-models/v1'
import { parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { ROOT } from '../source-files.ts'

const KINDS: Readonly<Record<string, new (data: never) => { validate(): void }>> = {
  ConfigMap,
  Deployment,
  Job,
  NetworkPolicy,
  PodDisruptionBudget,
  Service,
  StatefulSet,
}
/** What holds names of ours, not fields of Kubernetes. */
const MAPS = ['annotations', 'data', 'labels', 'limits', 'matchLabels', 'requests']

export type Manifest = z.output<typeof Manifest>
const Manifest = z.looseObject({ kind: z.string(), metadata: z.looseObject({ name: z.string() }) })
/** All manifests of a folder of the repository. */
export function readManifests(folder: string): Manifest[] {
  const path = join(ROOT, folder)
  return readdirSync(path).flatMap((file) => parseAllDocuments(readFileSync(join(path, file), 'utf8')).map((each) => Manifest.parse(each.toJS())))
}

/** Throws unless the manifest follows the schema of its kind. */
export function validateManifest(manifest: Manifest): void {
  const Kind = KINDS[manifest.kind]
  if (Kind === undefined) throw new Error(`The test does not know the kind ${manifest.kind}.`)
  new Kind(manifest as never).validate()
}

/** The fields that no kind of Kubernetes has: its schemas accept any. */
export function unknownFieldsOf(manifests: readonly Manifest[]): string[] {
  const known = fieldsOfKubernetes()
  if (known.size < 500) throw new Error('The fields of Kubernetes cannot be read from its types.')
  return manifests.flatMap((manifest) => fieldsOf(manifest)).filter((field) => !known.has(field))
}

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
