// Qovery's API of jobs with qovery-typescript-axios: the way down to a job by names, deployments by tag and by commit, each
// forced event, stop, redeploy, both histories, cancel, uninstall, errors. It waits as Qovery's command line does: on some
// words for ever, on a READY too. Every answer is read as strictly as the Go client does (strict.mjs).
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import axios from 'axios'
import qovery from 'qovery-typescript-axios'
import { decode } from './strict.mjs'

const { QOVERY_API_URL: basePath, QOVERY_TOKEN: token, QOVERY_READ_TOKEN: readToken, QOVERY_SHA: sha, QOVERY_OLD_SHA: oldSha } = process.env
let decoded = 0
const http = axios.create()
const look = ({ config, status, headers, data }) => {
  decode(config.method.toUpperCase(), config.url, status, String(headers['content-type']), data)
  decoded++
}
http.interceptors.response.use(
  response => (look(response), response),
  error => {
    if (error.response) look(error.response)
    return Promise.reject(error)
  }
)
const as = authorization => {
  const configuration = new qovery.Configuration({ basePath, apiKey: authorization })
  const api = name => new qovery[name](configuration, basePath, http)
  return {
    organizations: api('OrganizationMainCallsApi'), projects: api('ProjectsApi'), environments: api('EnvironmentsApi'),
    jobs: api('JobsApi'), job: api('JobMainCallsApi'), actions: api('JobActionsApi'), history: api('JobDeploymentHistoryApi'),
    environment: api('EnvironmentMainCallsApi'), services: api('EnvironmentActionsApi')
  }
}
// The same token under either word.
const machine = as(`Token ${token}`)
const person = as(`Bearer ${token}`)

async function refused(status, text, promise) {
  await assert.rejects(promise, error => {
    assert.equal(error.response?.status, status, String(error))
    assert.equal(error.response.data.status, status)
    assert.ok(error.response.data.detail.includes(text), error.response.data.detail)
    console.log('refused:', status, error.response.data.detail)
    return true
  })
}

// As the command line waits: at these it stops, at what ends in ERROR it gives up, all else is no end.
const ends = ['DEPLOYED', 'DELETED', 'STOPPED', 'CANCELED', 'RESTARTED']
async function watch(id, expected) {
  const seen = []
  for (let turn = 0; turn < 600; turn++) {
    const { data } = await machine.job.getJobStatus(id)
    assert.equal(data.id, id)
    if (seen.at(-1) !== data.state) seen.push(data.state)
    assert.ok(!['READY', 'QUEUED', 'RESTARTED'].includes(data.state), `it waits for ever: ${seen}`)
    if (ends.includes(data.state) || data.state.endsWith('ERROR')) {
      assert.equal(data.state, expected, seen.join(' → '))
      console.log('  ', seen.join(' → '))
      return data
    }
    await sleep(100)
  }
  throw new Error(`never ${expected}: ${seen.join(' → ')}`)
}
async function until(id, state) {
  for (let turn = 0; turn < 600; turn++) {
    if ((await machine.job.getJobStatus(id)).data.state === state) return
    await sleep(100)
  }
  throw new Error(`never ${state}`)
}

// The way down.
const [organization] = (await person.organizations.listOrganization()).data.results
const [project] = (await person.projects.listProject(organization.id)).data.results
const environments = (await person.environments.listEnvironment(project.id)).data.results
const environment = environments.find(one => one.name === 'qovery').id
const jobs = (await person.jobs.listJobs(environment)).data.results
const named = Object.fromEntries(jobs.map(job => [job.name, job]))
assert.deepEqual(Object.keys(named).sort(), ['qovery-bad', 'qovery-built', 'qovery-cron', 'qovery-image', 'qovery-slow'])
const [image, built, cron, slow, bad] = ['image', 'built', 'cron', 'slow', 'bad'].map(name => named[`qovery-${name}`].id)
assert.deepEqual(Object.keys(named['qovery-image'].source), ['image'])
assert.deepEqual(Object.keys(named['qovery-built'].source), ['docker'])
assert.deepEqual((await machine.job.getJob(image)).data, named['qovery-image'])
assert.equal((await machine.job.getJobStatus(image)).data.state, 'READY')
console.log('jobs', Object.keys(named).join(', '), 'in', environment)

// A deployment, and what waits for it.
async function deployed(promise, id, expected = 'DEPLOYED') {
  const { status, data } = await promise
  assert.equal(status, 202)
  // It may have begun before the answer left; how it stood before is never said.
  assert.ok(['DEPLOYMENT_QUEUED', 'BUILDING', 'DEPLOYING', 'EXECUTING'].includes(data.state), data.state)
  const done = await watch(id, expected)
  assert.equal(done.deployment_request_id, data.deployment_request_id)
  return done
}
const tag = async id => (await machine.job.getJob(id)).data.source.image.tag
console.log('deploy by tag, and without a body')
await deployed(machine.actions.deployJob(image, undefined, { image_tag: 'v2' }), image)
assert.equal(await tag(image), 'v2')
await deployed(person.actions.deployJob(image), image)
assert.equal(await tag(image), 'v2')
await deployed(machine.actions.redeployJob(image), image)
await deployed(machine.actions.deployJob(image, undefined, { image_tag: 'v1' }), image)
assert.equal(await tag(image), 'v1')

console.log('deploy by commit')
await deployed(machine.actions.deployJob(built, undefined, { git_commit_id: oldSha }), built)
assert.equal((await machine.job.getJob(built)).data.source.docker.git_repository.deployed_commit_id, oldSha)
await deployed(machine.actions.redeployJob(built), built)
assert.equal((await machine.job.getJob(built)).data.source.docker.git_repository.deployed_commit_id, oldSha)
// The Terraform provider has one key for a version of either kind.
await deployed(machine.actions.deployJob(built, undefined, { image_tag: sha }), built)
await refused(400, 'is no tag', machine.actions.deployJob(image, undefined, { image_tag: 'no tag' }))
await refused(400, 'git_commit_id cannot be given', machine.actions.deployJob(image, undefined, { git_commit_id: sha }))
await refused(400, 'exclude each other', machine.actions.deployJob(image, undefined, { image_tag: 'v1', git_commit_id: sha }))

console.log('each event')
for (const event of ['START', 'STOP', 'DELETE']) await deployed(machine.actions.deployJob(image, event), image)
const before = (await machine.job.getJobStatus(image)).data
assert.deepEqual((await machine.actions.deployJob(image, 'CRON')).data, before)
await deployed(machine.actions.deployJob(cron), cron)
await deployed(machine.actions.deployJob(cron, 'CRON'), cron)
for (const event of ['START', 'STOP', 'DELETE']) assert.equal((await machine.actions.redeployJob(cron, event)).data.state, 'DEPLOYED')
await deployed(machine.actions.deployJob(bad), bad, 'DEPLOYMENT_ERROR')
await refused(400, 'forceEvent', machine.actions.deployJob(image, 'RESTART'))

console.log('stop')
assert.match((await machine.actions.stopJob(image)).data.state, /^STOP(_QUEUED|PING)$/)
await watch(image, 'STOPPED')
await refused(409, 'already stopped', machine.actions.stopJob(image))
await deployed(machine.actions.redeployJob(image), image)

console.log('one at a time, and cancel')
const both = await Promise.allSettled([1, 2, 3, 4].map(() => machine.actions.deployJob(slow)))
const taken = both.filter(one => one.status === 'fulfilled')
assert.equal(taken.length, 1)
assert.ok(both.every(one => one.status === 'fulfilled' || one.reason.response.status === 409))
await until(slow, 'EXECUTING')
await refused(409, 'in progress', machine.actions.redeployJob(slow))
await refused(409, 'in progress', machine.actions.stopJob(slow))
assert.equal((await machine.services.cancelEnvironmentDeployment(environment)).status, 202)
await watch(slow, 'CANCELED')
const statuses = (await machine.environment.getEnvironmentStatuses(environment)).data
assert.equal(statuses.environment.last_deployment_state, 'CANCELED')
assert.equal(statuses.jobs.length, 5)

console.log('several at once')
const services = [{ id: image, image_tag: 'v2' }, { id: built, git_commit_id: sha }]
await machine.services.deployAllServices(environment, { jobs: services })
for (const { id } of services) await watch(id, 'DEPLOYED')
assert.equal((await machine.environment.getEnvironmentStatus(environment)).data.last_deployment_state, 'DEPLOYED')
assert.equal((await machine.jobs.getEnvironmentJobStatus(environment)).data.results.length, 5)

console.log('history')
const first = (await machine.history.listJobDeploymentHistory(image)).data
const events = first.results.map(one => `${one.schedule?.event} ${one.tag ?? ''} ${one.status}`)
console.log('  ', events.join(', '))
assert.deepEqual(events.slice(0, 3), ['ON_START v2 DEPLOYED', 'ON_START v1 DEPLOYED', 'ON_STOP v1 STOPPED'])
const second = (await machine.history.listJobDeploymentHistoryV2(image, 4)).data
assert.deepEqual([second.page_size, second.results.length], [4, 4])
assert.equal(second.results[0].identifier.service_id, image)
const ofBuilt = (await machine.history.listJobDeploymentHistory(built)).data.results
assert.deepEqual(ofBuilt.map(one => one.commit.git_commit_id), [sha, sha, oldSha, oldSha])
const ofBad = (await machine.history.listJobDeploymentHistoryV2(bad)).data.results
assert.deepEqual(ofBad.map(one => one.status), ['DEPLOYMENT_ERROR'])
assert.deepEqual((await machine.actions.cleanFailedJob(bad)).data, { clean_kubernetes_jobs: [] })

console.log('uninstall')
assert.match((await machine.actions.uninstallJob(image, {})).data.state, /^DELET(E_QUEUED|ING)$/)
await watch(image, 'DELETED')
assert.equal((await machine.actions.uninstallJob(image, {})).status, 204)
await deployed(machine.actions.deployJob(image), image)
assert.equal(await tag(image), 'v2')

console.log('who may not')
const unknown = '0a4c3a52-6a2e-4a31-9a58-6d6d8f6c2a10'
await refused(404, unknown, machine.job.getJobStatus(unknown))
await refused(404, 'nope', machine.environment.getEnvironmentStatus('nope'))
await refused(401, 'not known', as('Token lsh_unknown').job.getJob(image))
await refused(403, 'deploy:write', as(`Token ${readToken}`).actions.deployJob(image))
console.log(decoded, 'answers read strictly')
