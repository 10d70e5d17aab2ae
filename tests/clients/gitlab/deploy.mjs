// GitLab's API v4 with gitbeaker: who am I, the project by path and by id, environments, a deployment that is executed and
// one that is only reported, lists by filters over three pages, cancel, delete, stop and start again, tags, errors.
// The variables are those of deploy.py beside this.
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { Gitlab } from '@gitbeaker/rest'

const { GITLAB_URL: host, GITLAB_TOKEN: token, GITLAB_PROJECT: path, GITLAB_ENVIRONMENT: environment } = process.env
const { GITLAB_SHA: sha, GITLAB_TAG: tag, GITLAB_SLOW_BRANCH: slowBranch, GITLAB_SLOW_SHA: slowSha } = process.env
const final = ['success', 'failed', 'canceled', 'skipped']
// More than a minute's rate would allow is asked in the loops below.
const gitlab = new Gitlab({ host, token })

// What is refused, with the text that the client shows.
async function refused(status, text, promise) {
  await assert.rejects(promise, error => {
    assert.equal(error.name, 'GitbeakerRequestError', String(error))
    assert.equal(error.cause.response.status, status, error.message)
    assert.ok(error.message.includes(text), error.message)
    console.log('refused:', status, error.message)
    return true
  })
}

async function until(what, look) {
  for (let turn = 0; turn < 480; turn++) {
    const found = await look()
    if (found) return found
    await sleep(250)
  }
  throw new Error(`never: ${what}`)
}

const wait = (id, done = status => final.includes(status)) =>
  until(`deployment ${id}`, async () => {
    const found = await gitlab.Deployments.show(path, id)
    return done(found.status) && found
  })

const user = await gitlab.Users.showCurrentUser()
assert.equal(user.state, 'active')
assert.match((await gitlab.Metadata.show()).version, /^\d+\.\d+/)
for (const form of [{ oauthToken: token }, { jobToken: token }]) {
  assert.equal((await new Gitlab({ host, ...form }).Projects.show(path)).path_with_namespace, path)
}
const project = await gitlab.Projects.show(path)
assert.equal((await gitlab.Projects.show(project.id)).path_with_namespace, path)
assert.ok((await gitlab.Projects.all()).some(one => one.id === project.id))
const [configured] = await gitlab.Environments.all(path, { name: environment })
assert.equal(configured.state, 'available')
console.log('signed in as', user.username, 'for project', project.id)

// Executed.
const create = (ref, sha, isTag, options) =>
  gitlab.Deployments.create(path, options.environment ?? environment, sha, ref, isTag, { status: options.status })
const execute = (ref = 'main', commit = sha, isTag = false) => create(ref, commit, isTag, { status: 'created' })
const first = await execute()
assert.equal(first.status, 'created')
assert.equal((await execute()).id, first.id)
const done = await wait(first.id)
assert.equal(done.status, 'success', JSON.stringify(done))
assert.equal(done.deployable.commit.id, sha)
assert.equal((await gitlab.Environments.show(path, configured.id)).last_deployment.id, first.id)
await refused(403, 'Deployments executed by this agent can not be updated', gitlab.Deployments.edit(path, first.id, 'failed'))
const tagged = await wait((await execute(tag, sha, true)).id)
assert.deepEqual([tagged.status, tagged.ref, tagged.deployable.tag], ['success', tag, true])
await refused(400, 'The branch or tag does not exist', execute('main', sha, true))
console.log('executed', first.id, 'and the tag', tagged.id)

// Cancelled while it runs.
const slow = await execute(slowBranch, slowSha)
await wait(slow.id, status => status === 'running')
assert.equal((await gitlab.Deployments.edit(path, slow.id, 'canceled')).status, 'canceled')
assert.equal((await wait(slow.id)).status, 'canceled')
console.log('cancelled', slow.id)

// Reported.
const reported = 'review/gitbeaker client'
const report = status => create('main', sha, false, { status, environment: reported })
const told = await report('running')
assert.deepEqual([told.status, told.deployable], ['running', null])
await refused(400, 'cannot transition via', gitlab.Deployments.edit(path, told.id, 'running'))
await refused(400, 'Cannot destroy running deployment', gitlab.Deployments.remove(path, told.id))
assert.equal((await gitlab.Deployments.edit(path, told.id, 'success')).status, 'success')
assert.equal((await report('success')).id, told.id)
assert.deepEqual(await gitlab.Deployments.allMergeRequests(path, told.id), [])
await refused(400, 'status is missing', report(undefined))
await refused(400, 'is not configured for this project', report('created'))

// Three pages: the client takes the query of the second and third from the Link header alone.
const many = []
for (let n = 0; n < 45; n++) many.push((await report('failed')).id)
const filters = { environment: reported, status: 'failed', orderBy: 'updated_at', sort: 'desc', perPage: 20 }
const all = await gitlab.Deployments.all(path, { ...filters, showExpanded: true })
assert.deepEqual(all.data.map(one => one.id), [...many].reverse())
assert.deepEqual([all.paginationInfo.total, all.paginationInfo.totalPages, all.paginationInfo.current], [45, 3, 3])
assert.equal(all.paginationInfo.next, null)
const second = await gitlab.Deployments.all(path, { ...filters, page: 2, sort: 'asc', orderBy: 'id' })
assert.deepEqual(second.map(one => one.id), many.slice(20, 40))
assert.equal((await gitlab.Deployments.all(path, { ...filters, maxPages: 2 })).length, 40)
console.log('listed', all.data.length, 'in', all.paginationInfo.totalPages, 'pages')

// Deleted; the client sends a body of `{}` with it.
await refused(400, 'Deployment currently deployed to environment', gitlab.Deployments.remove(path, told.id))
await gitlab.Deployments.remove(path, many[0])
await refused(404, '404 Not found', gitlab.Deployments.show(path, many[0]))

// Stopped, and brought back.
await gitlab.Environments.stop(path, configured.id)
const state = async () => (await gitlab.Environments.show(path, configured.id)).state
await until('it stops', async () => (await state()) === 'stopped')
const back = await wait((await execute()).id)
assert.deepEqual([back.status, await state()], ['success', 'available'])
const own = await gitlab.Environments.create(path, 'qa/gitbeaker', { externalUrl: 'https://qa.example.com' })
assert.equal(own.external_url, 'https://qa.example.com')
const edited = await gitlab.Environments.edit(path, own.id, { externalUrl: 'https://other.example.com' })
assert.equal(edited.external_url, 'https://other.example.com')
await gitlab.Environments.stop(path, own.id)
await gitlab.Environments.remove(path, own.id)
await refused(404, '404 Not found', gitlab.Environments.show(path, own.id))
console.log('stopped, and back with', back.id)

await refused(404, '404 Project Not Found', gitlab.Projects.show('no/such.project'))
await refused(404, '404 Not Found', gitlab.Deployments.setApproval(path, told.id, 'approved'))
await refused(401, '401 Unauthorized', new Gitlab({ host, token: 'glpat-unknown' }).Users.showCurrentUser())
const reader = new Gitlab({ host, token: process.env.GITLAB_READ_TOKEN })
await refused(403, 'insufficient_scope', reader.Deployments.edit(path, told.id, 'failed'))
