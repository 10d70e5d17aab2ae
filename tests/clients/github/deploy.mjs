// GitHub's API with octokit: who am I, the repository, a deployment that is executed with the statuses that tell of it,
// statuses of one's own, commit statuses that a deployment waits for, a branch that is brought up to date, lists by filters
// over pages, inactive and delete, environments, errors. The variables are those of deploy.py beside this.
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { Octokit } from '@octokit/rest'

const { GITHUB_API: baseUrl, GITHUB_TOKEN: auth, GITHUB_REPO, GITHUB_ENVIRONMENT: environment } = process.env
const { GITHUB_SHA: sha, GITHUB_TOPIC: topic, GITHUB_RECORDS } = process.env
const final = ['success', 'failure', 'error', 'inactive']
const log = { debug() {}, info() {}, warn: console.warn, error() {} }
const octokit = new Octokit({ baseUrl, auth, log })
const at = name => ({ owner: name.split('/')[0], repo: name.split('/')[1] })
const repo = at(GITHUB_REPO)
const records = at(GITHUB_RECORDS)
const { repos } = octokit.rest

// What is refused, with the text that the client shows.
async function refused(status, text, promise) {
  await assert.rejects(promise, error => {
    assert.equal(error.name, 'HttpError', String(error))
    assert.equal(error.status, status, error.message)
    assert.ok(error.message.includes(text), error.message)
    console.log('refused:', status, error.message)
    return true
  })
}

async function wait(deployment_id) {
  for (let turn = 0; turn < 480; turn++) {
    const { data } = await repos.listDeploymentStatuses({ ...repo, deployment_id })
    if (data.length && final.includes(data[0].state)) return data
    await sleep(250)
  }
  throw new Error(`deployment ${deployment_id} does not end`)
}

const user = (await octokit.rest.users.getAuthenticated()).data
assert.equal(user.type, 'User')
const found = (await repos.get(repo)).data
assert.deepEqual([found.full_name, found.default_branch, found.permissions.push], [GITHUB_REPO, 'main', true])
assert.ok((await octokit.rest.rateLimit.get()).data.rate.limit > 0)
assert.equal((await octokit.rest.meta.root()).data.current_user_url, `${baseUrl}/user`)
// A base with a slash at its end doubles one.
assert.equal((await new Octokit({ baseUrl: `${baseUrl}/`, auth, log }).rest.repos.get(repo)).data.id, found.id)
console.log('signed in as', user.login, 'for', found.full_name)

// Executed, with nothing posted by anybody: the agent says what becomes of it.
const asked = { ...repo, environment, auto_merge: false, required_contexts: [] }
const payload = { room: { id: 123456 }, user: 'atmos' }
const first = await repos.createDeployment({ ...asked, ref: 'main', payload, description: 'with octokit' })
assert.equal(first.status, 201)
assert.equal(first.headers.location, first.data.url)
assert.deepEqual([first.data.ref, first.data.sha, first.data.task, first.data.payload], ['main', sha, 'deploy', payload])
const statuses = await wait(first.data.id)
assert.deepEqual(statuses.map(one => one.state), ['success', 'in_progress'])
assert.match(statuses[0].environment_url, /^http/)
const deployment_id = first.data.id
const status_id = statuses[0].id
assert.deepEqual((await repos.getDeploymentStatus({ ...repo, deployment_id, status_id })).data, statuses[0])
const text = await repos.createDeployment({ ...asked, ref: 'refs/tags/v1', payload: '{"a":1}' })
assert.deepEqual([text.data.ref, text.data.payload], ['refs/tags/v1', '{"a":1}'])
assert.equal((await wait(text.data.id))[0].state, 'success')
console.log('executed', deployment_id, 'and a tag')

// One's own statuses are kept, and move nothing.
const posted = await repos.createDeploymentStatus({
  ...repo, deployment_id, state: 'failure', log_url: 'https://ci.example.com/1', description: 'mine', auto_inactive: false,
})
assert.deepEqual([posted.status, posted.data.creator.login, posted.data.target_url], [201, user.login, 'https://ci.example.com/1'])
await refused(422, 'state is not included in the list', repos.createDeploymentStatus({ ...repo, deployment_id, state: 'odd' }))

// What checks say of a commit.
const context = `${environment}/build`
const waiting = { ...asked, ref: 'main', required_contexts: [context], description: 'after the checks' }
await refused(409, 'Commit status checks failed for main.', repos.createDeployment(waiting))
await repos.createCommitStatus({ ...repo, sha, state: 'success', context, target_url: 'https://ci.example.com/2' })
assert.equal((await wait((await repos.createDeployment(waiting)).data.id))[0].state, 'success')
const combined = (await repos.getCombinedStatusForRef({ ...repo, ref: 'heads/main' })).data
assert.ok(combined.sha === sha && combined.statuses.some(one => one.context === context && one.state === 'success'))
const all = await octokit.paginate(repos.listCommitStatusesForRef, { ...repo, ref: sha, per_page: 1 })
assert.ok(all.some(one => one.context === context))
assert.equal((await repos.getCommit({ ...repo, ref: 'main' })).data.sha, sha)

// A branch that is behind is brought up to date: nothing is deployed until it is asked again.
const merged = await repos.createDeployment({ ...asked, ref: topic, auto_merge: true })
assert.deepEqual([merged.status, merged.data.message], [202, `Auto-merged main into ${topic} on deployment.`])
const again = await repos.createDeployment({ ...asked, ref: topic, auto_merge: true })
assert.equal((await wait(again.data.id))[0].state, 'success')
await refused(409, 'Conflict merging main into conflicting.', repos.createDeployment({ ...asked, ref: 'conflicting', auto_merge: true }))
console.log('merged', topic)

// Nothing is deployed: 35 records over pages, by filters.
const there = { ...records, ref: sha, environment: `review ${environment}`, required_contexts: [] }
const many = []
for (let number = 0; number < 35; number++) {
  many.push((await repos.createDeployment({ ...there, task: 'migrate', description: `${number}` })).data)
}
const filters = { ...records, sha, ref: sha, task: 'migrate', environment: there.environment }
const listed = await octokit.paginate(repos.listDeployments, { ...filters, per_page: 10 })
assert.deepEqual(listed.map(one => one.id), many.map(one => one.id).reverse())

// What was seen already is not sent again.
const { headers } = await repos.listDeployments(filters)
await assert.rejects(repos.listDeployments({ ...filters, headers: { 'if-none-match': headers.etag } }), { status: 304 })

// Inactive, and deleted.
const id = many[0].id
await repos.createDeploymentStatus({ ...records, deployment_id: id, state: 'success' })
await refused(422, 'We cannot delete an active deployment', repos.deleteDeployment({ ...records, deployment_id: id }))
await repos.createDeploymentStatus({ ...records, deployment_id: id, state: 'inactive' })
for (const one of many) await repos.deleteDeployment({ ...records, deployment_id: one.id })
await refused(404, 'Not Found', repos.getDeployment({ ...records, deployment_id: id }))
const names = async () => (await repos.getAllEnvironments(records)).data.environments.map(one => one.name)
assert.ok((await names()).includes(there.environment))
await repos.deleteAnEnvironment({ ...records, environment_name: there.environment })
assert.ok(!(await names()).includes(there.environment))
console.log('listed and deleted', many.length)

assert.equal((await repos.getEnvironment({ ...repo, environment_name: environment.toUpperCase() })).data.name, environment)
await repos.createOrUpdateEnvironment({ ...repo, environment_name: 'octokit/1' })
assert.equal((await repos.getEnvironment({ ...repo, environment_name: 'octokit/1' })).data.name, 'octokit/1')
await repos.deleteAnEnvironment({ ...repo, environment_name: 'octokit/1' })
await refused(404, 'Not Found', repos.getEnvironment({ ...repo, environment_name: 'octokit/1' }))

await refused(404, 'Not Found', repos.get({ owner: 'no', repo: 'such' }))
await refused(422, 'No ref found for: nothing', repos.createDeployment({ ...asked, ref: 'nothing' }))
await refused(422, 'is not configured', repos.createDeployment({ ...asked, ref: 'main', environment: 'typo' }))
await refused(401, 'Bad credentials', new Octokit({ baseUrl, auth: 'unknown', log }).rest.users.getAuthenticated())
const reader = new Octokit({ baseUrl, auth: process.env.GITHUB_READ_TOKEN, log })
await refused(403, 'Resource not accessible', reader.rest.repos.createDeployment({ ...asked, ref: 'main' }))
console.log('refused what is to be refused')
