import { afterAll, beforeAll, expect, test } from 'vitest'
import { openSchemathesis, type SchemathesisRun } from '../../support/tools/schemathesis.ts'
import { type ApiWorld, makeApiWorld } from '../../support/worlds/api-world.ts'
import { startTestService, type TestService } from '../../support/worlds/test-service.ts'

const SEED = Number(process.env['RANDOM_SEED'] ?? 20_260_101)
const EXAMPLES = Number(process.env['SCHEMATHESIS_EXAMPLES'] ?? 2)
const TIMEOUT_MS = EXAMPLES <= 10 ? 900_000 : 3_600_000

/** It makes one of everything. */
const WORLD_MS_MAX = 360_000

const schemathesis = await openSchemathesis()
if (typeof schemathesis === 'string') {
  if (process.env['REQUIRE_SCHEMATHESIS'] === '1') throw new Error(`REQUIRE_SCHEMATHESIS is set, but ${schemathesis}.`)
  console.warn(`skipped: Schemathesis, because ${schemathesis}`)
}

const PARTNERS = '^/partnership/'
const CO_BRANDED_ONLY = '/connect-user$|/\\{userId\\}/'
/** The same operations as those of partners, for which they are tested. */
const ALSO_OF_PARTNERS = '^/admin/v1/(?:webhooks|thresholds)'
/** A message that can be sent again exists only after something has happened; test/api/routes/thresholds.test.ts has one. */
const RESEND_MESSAGE = '/\\{messageId\\}/resend$'

let tested: TestService
let world: ApiWorld
beforeAll(async () => {
  tested = await startTestService()
  world = await makeApiWorld(tested.client)
}, WORLD_MS_MAX)
afterAll(() => tested.stop())

answersAsDescribed('to a white-label partner', () => ({
  include: PARTNERS,
  exclude: `${CO_BRANDED_ONLY}|${RESEND_MESSAGE}`,
  credentials: { partnerSecret: { kind: 'api_key', secret: world.whiteLabel.secret } },
  known: world.whiteLabel.known,
}))

/** What partners of both modes may call is tested above. */
answersAsDescribed('to a co-branded partner', () => ({
  include: CO_BRANDED_ONLY,
  credentials: { partnerSecret: { kind: 'api_key', secret: world.coBranded.secret } },
  known: world.coBranded.known,
}))

answersAsDescribed('to platforms, operators and everyone', () => ({
  include: '',
  exclude: `${PARTNERS}|${ALSO_OF_PARTNERS}|${RESEND_MESSAGE}`,
  credentials: { ingestKey: { kind: 'bearer', secret: tested.client.ingestKey }, adminToken: { kind: 'bearer', secret: tested.client.adminToken } },
  known: world.others.known,
}))

/** Every status, content type, header and body is one of the description, none is a 5xx, and what is invalid is refused. */
function answersAsDescribed(whom: string, run: () => Omit<SchemathesisRun, 'url' | 'seed' | 'examplesMax'>): void {
  test.skipIf(typeof schemathesis === 'string')(`answers ${whom} are as /openapi.json says (seed ${SEED})`, { timeout: TIMEOUT_MS }, async () => {
    if (typeof schemathesis === 'string') return
    const { status, report } = await schemathesis.run({ url: tested.service.url, seed: SEED, examplesMax: EXAMPLES, ...run() })
    if (status === 'failed') expect.fail(`seed ${SEED}, ${EXAMPLES} examples\n${report}`)
    console.info(report)
  })
}
