import type { FastifyInstance } from 'fastify'
import { EVERYONE } from '../auth/access.ts'

/** A page for people who open the address of the service in a browser. */
export function getHome(app: FastifyInstance): void {
  app.get('/', { config: { access: EVERYONE }, schema: { hide: true } }, async (_request, reply) => {
    reply.type('text/html; charset=utf-8')
    return HOME
  })
}

const HOME = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Meterline</title>
<style>
  body { font: 16px/1.6 system-ui, sans-serif; max-width: 44rem; margin: 12vh auto; padding: 0 1.5rem; color: #1b2430; }
  h1 { margin: 0; font-size: 1.8rem; } p.lead { margin: .25rem 0 2rem; color: #51606f; }
  dl { display: grid; grid-template-columns: max-content 1fr; gap: .4rem 1.5rem; } dt a { font-family: ui-monospace, monospace; } dd { margin: 0; }
  a { color: #0b5fcc; } code { background: #eef2f6; padding: .1rem .35rem; border-radius: 4px; }
</style>
<h1>Meterline</h1>
<p class="lead">Usage metering and billing analytics. Every event is counted once, and every number can be recounted.</p>
<dl>
  <dt><a href="/docs">/docs</a></dt><dd>the API documentation, with calls to try</dd>
  <dt><a href="/openapi.json">/openapi.json</a></dt><dd>the API description for programs</dd>
  <dt><a href="/healthz">/healthz</a></dt><dd>whether the process is alive</dd>
  <dt><a href="/readyz">/readyz</a></dt><dd>whether events are accepted</dd>
  <dt><a href="/version">/version</a></dt><dd>which version answers</dd>
</dl>
<p>Platforms send events to <code>POST /v1/events</code>. Partners read usage at
<code>/partnership/v1/&lt;partner&gt;/usage</code>. Operators create partners and keys at <code>/admin/v1</code>.</p>
</html>
`
