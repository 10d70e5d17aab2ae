// git.dev's API with node-fetch, as its page shows it: the body is a JSON string and no Content-Type is given, so that
// node-fetch says text/plain. GITDEV_API, GITDEV_TOKEN and GITDEV_PROJECT say where, as whom, what.
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import fetch, { Request } from 'node-fetch'

const { GITDEV_API, GITDEV_TOKEN, GITDEV_PROJECT } = process.env
const headers = { Authorization: `Bearer ${GITDEV_TOKEN}` }

const body = JSON.stringify({ project_id: GITDEV_PROJECT, branch: 'main', env_vars: { NODE_ENV: 'production' } })
const sent = new Request(`${GITDEV_API}/deployments`, { method: 'POST', headers, body })
assert.match(sent.headers.get('content-type'), /^text\/plain/)
const response = await fetch(sent)
assert.equal(response.status, 201)
const created = await response.json()
assert.equal(created.status, 'queued')
console.log('created', created.id, 'sent as', sent.headers.get('content-type'))

let found
for (let turn = 0; turn < 240; turn++) {
  found = await (await fetch(`${GITDEV_API}/deployments/${created.id}`, { headers })).json()
  if (['success', 'failed', 'cancelled'].includes(found.status)) break
  await sleep(250)
}
assert.equal(found.status, 'success', JSON.stringify(found))

const { data, meta } = await (await fetch(`${GITDEV_API}/deployments?limit=1`, { headers })).json()
assert.equal(data[0].id, created.id)
assert.ok(meta.total >= 1)
const log = await (await fetch(found.logs_url, { headers })).text()
assert.match(log, /is live/)
const nothing = await fetch(`${GITDEV_API}/deployments/dep_9x2m4p`, { headers })
assert.equal(nothing.status, 404)
assert.equal((await nothing.json()).error.code, 'deployment_not_found')
console.log('success', found.deploy_url)
