//! A backup of the database was put back, and the world went on without it: nothing is done until somebody decides, and
//! then the world and the database are one again, however often the process ends meanwhile.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "support/world.rs"]
#[expect(dead_code, reason = "another test file uses the rest")]
mod world;

use longshore::core::access::Reach;
use longshore::core::action::{
    Action, AppRef, ChangeEnvironment, Environments, ListDeployments, Reply,
};
use longshore::core::adoption::{Adopted, Origin};
use longshore::core::change::Change;
use longshore::core::deployment::Phase;
use longshore::core::error::Error;
use longshore::core::failure::FailureCode;
use longshore::core::id::{AppSerial, DeploymentSerial, EnvironmentSerial};
use longshore::core::name::AppName;
use longshore::core::ports::{Clock as _, ContainerState, RestartPolicy};
use longshore::store::{Live, StoreError};
use std::path::Path;
use std::time::Duration;
use world::{Bench, Fake, Made, Process, git_app, image_of, sha};

const WEB: EnvironmentSerial = EnvironmentSerial(1);

/// A copy of a data directory.
struct Backup(tempfile::TempDir);

impl Backup {
    /// Takes it while no process has the directory open.
    fn take(bench: &Bench) -> Self {
        let copy = tempfile::tempdir_in("/dev/shm").unwrap();
        copy_all(bench.dir.path(), copy.path());
        Self(copy)
    }

    fn put_back(&self, bench: &Bench) {
        for entry in std::fs::read_dir(bench.dir.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                std::fs::remove_dir_all(path).unwrap();
            } else {
                std::fs::remove_file(path).unwrap();
            }
        }
        copy_all(self.0.path(), bench.dir.path());
    }
}

fn copy_all(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy_all(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn head(bench: &Bench, digit: char) {
    bench.world.state.lock().unwrap().head = Some(sha(digit));
}

async fn deploy(bench: &Bench, process: &Process, digit: char) {
    head(bench, digit);
    process.deploy("web").await.unwrap();
    process.drive().await;
}

/// When the backup was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    /// After the first deployment; then came two more.
    Between,
    /// While the second was built; then it was finished.
    InBuild,
}

/// A bench whose database is older than its world, with a process that has begun on it. The ingress remembers nothing, as
/// one that was started anew.
async fn restored(taken: Taken) -> (Bench, Process) {
    let bench = Bench::new(vec![git_app("web")]);
    let process = bench.start();
    deploy(&bench, &process, '1').await;
    if taken == Taken::InBuild {
        head(&bench, '2');
        bench.world.state.lock().unwrap().builds_hang = true;
        process.deploy("web").await.unwrap();
        process
            .drive_until(&bench.world, |state| state.builds_now > 0)
            .await;
        bench.world.state.lock().unwrap().builds_hang = false;
    }
    drop(process);
    let backup = Backup::take(&bench);
    let process = bench.start();
    process.drive().await;
    if taken == Taken::Between {
        deploy(&bench, &process, '2').await;
        deploy(&bench, &process, '3').await;
    }
    drop(process);
    backup.put_back(&bench);
    bench.world.state.lock().unwrap().generation = 0;
    let process = bench.start();
    (bench, process)
}

/// Asks for an adoption as soon as it is known what runs.
async fn ask_to_adopt(process: &Process, discard: bool) -> Result<Adopted, Error> {
    loop {
        match process.ask(Action::Adopt { discard }).await {
            Err(Error::Unavailable(why)) if why.contains("not known yet") => {
                tokio::task::yield_now().await;
            }
            Ok(Reply::Adopted(adopted)) => return Ok(adopted),
            Ok(other) => panic!("{other:?}"),
            Err(error) => return Err(error),
        }
    }
}

async fn adopt(process: &Process, discard: bool) -> Result<Adopted, Error> {
    let mut answer = None;
    drive(process, async {
        answer = Some(ask_to_adopt(process, discard).await)
    })
    .await;
    answer.unwrap()
}

/// Drives until something else has happened; a process that has ended does nothing more.
async fn drive(process: &Process, until: impl Future<Output = ()>) {
    match process.agent.drive(until).await {
        Ok(()) => {}
        Err(StoreError::Closed) => std::future::pending().await,
        Err(error) => panic!("{error}"),
    }
}

async fn until_done(process: &Process) {
    let mut changes = process.store.changes();
    loop {
        changes.borrow_and_update();
        if process.store.unfinished().unwrap().is_empty() {
            return;
        }
        changes.changed().await.unwrap();
    }
}

async fn for_an_hour(bench: &Bench, process: &Process) {
    let clock = Fake(bench.world.clone());
    let hour = clock.sleep(Duration::from_secs(3600));
    process.agent.drive(hour).await.unwrap();
}

fn live(process: &Process) -> Live {
    process.store.live(WEB).unwrap().unwrap()
}

/// Everything outside the process, as text to be compared.
fn outside(bench: &Bench) -> String {
    let state = bench.world.state.lock().unwrap();
    format!(
        "{:?} {:?} {:?} {:?} {}",
        state.containers, state.tags, state.networks, state.volumes, state.generation
    )
}

fn made(bench: &Bench, name: &str) -> Made {
    bench.world.state.lock().unwrap().containers[name].clone()
}

/// The laws of every end: exactly the live container exists and runs, its number is above all that were seen, and the
/// next process finds nothing odd.
async fn check(bench: &Bench, process: Process, at: &str) -> Process {
    let live = live(&process);
    {
        let state = bench.world.state.lock().unwrap();
        let names: Vec<&String> = state.containers.keys().collect();
        assert_eq!(names, [&live.containers[0].name], "{at}");
        let only = &state.containers[&live.containers[0].name];
        assert!(
            matches!(only.state, ContainerState::Running { .. }),
            "{at}: {:?}",
            only.state
        );
        assert_eq!(only.restart, RestartPolicy::UnlessStopped, "{at}");
        assert_eq!(only.spec.image, live.release.content.image.id, "{at}");
        assert_eq!(only.spec.address, live.containers[0].address, "{at}");
        let candidates = state.tags.keys().find(|tag| tag.contains("candidate"));
        assert_eq!(candidates, None, "{at}");
        assert!(state.trees.is_empty(), "{at}");
    }
    assert!(process.store.unfinished().unwrap().is_empty(), "{at}");
    drop(process);
    bench.world.count_from_here(None);
    let process = bench.start();
    let refused = adopt(&process, false).await.unwrap_err();
    assert!(
        matches!(&refused, Error::Refused(why) if why.contains("nothing to adopt")),
        "{at}: {refused:?}"
    );
    process
}

#[tokio::test(start_paused = true)]
async fn a_database_older_than_the_world_is_noticed_and_nothing_is_done() {
    for taken in [Taken::Between, Taken::InBuild] {
        let (bench, process) = restored(taken).await;
        let before = outside(&bench);
        for_an_hour(&bench, &process).await;
        assert_eq!(outside(&bench), before, "{taken:?}");
        let warning = process.agent.warning().unwrap();
        assert!(warning.contains("longshore adopt --discard"), "{warning}");
        assert!(!warning.contains("web"), "it names no app: {warning}");

        let refused = process.deploy("web").await.unwrap_err();
        assert_eq!(refused, Error::Unavailable(warning.clone()));
        let deployment = process.store.deployment(DeploymentSerial(1)).unwrap();
        let cancel = Action::CancelDeployment(deployment.id.into());
        let refused = process.ask(cancel).await.unwrap_err();
        assert_eq!(refused, Error::Unavailable(warning));
        let list = ListDeployments {
            limit: 10,
            ..ListDeployments::default()
        };
        process.ask(Action::ListDeployments(list)).await.unwrap();
        process.ask(Action::ListApps).await.unwrap();

        // And again after a restart.
        drop(process);
        let process = bench.start();
        for_an_hour(&bench, &process).await;
        assert_eq!(outside(&bench), before, "{taken:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_ingress_that_holds_a_newer_table_tells_it_as_well() {
    let bench = Bench::new(vec![git_app("web")]);
    let process = bench.start();
    deploy(&bench, &process, '1').await;
    drop(process);
    bench.world.state.lock().unwrap().generation = 7;
    let process = bench.start();
    for_an_hour(&bench, &process).await;
    assert!(process.agent.warning().unwrap().contains("generation 7"));
    assert_eq!(bench.world.state.lock().unwrap().generation, 7);
    adopt(&process, false).await.unwrap();
    process.drive().await;
    assert!(process.store.generation().unwrap() > 7);
    check(&bench, process, "the ingress was ahead").await;
}

#[tokio::test(start_paused = true)]
async fn what_runs_is_adopted_without_being_touched_and_everything_goes_on_above_it() {
    let (bench, process) = restored(Taken::Between).await;
    let running = bench.world.running().pop().unwrap();
    let before = made(&bench, &running);
    let adopted = adopt(&process, false).await.unwrap();
    let [one] = adopted.live.as_slice() else {
        panic!("{adopted:?}");
    };
    assert_eq!(
        (&one.container, one.origin, one.release),
        (&running, Origin::Adopted, 2)
    );
    assert!(adopted.unknown.is_empty() && adopted.failed.is_empty());
    process.drive().await;
    assert_eq!(
        format!("{:?}", made(&bench, &running)),
        format!("{before:?}")
    );

    let deployment = process.view(one.deployment).await.deployment;
    assert!(matches!(deployment.phase, Phase::Succeeded { .. }));
    assert_eq!(deployment.serial, DeploymentSerial(4));
    assert_eq!(deployment.request.by, process.caller.principal.serial);
    let log = process.log(one.deployment);
    assert!(
        log.contains("the commit it was built from is not known"),
        "{log}"
    );
    let live = live(&process);
    assert_eq!(live.release.content.image.id, image_of(sha('3').as_str()));
    assert_eq!(live.release.content.sha, None);
    let tag = format!(
        "longshore/{}:2",
        process.store.place_of(WEB).unwrap().slug()
    );
    assert_eq!(
        bench.world.state.lock().unwrap().tags[&tag],
        live.release.content.image.id
    );

    let process = check(&bench, process, "adopted").await;
    deploy(&bench, &process, '4').await;
    let next = process.store.live(WEB).unwrap().unwrap();
    assert_eq!(next.deployment, DeploymentSerial(5));
    assert_ne!(next.containers[0].address, before.spec.address);
    check(&bench, process, "deployed after it was adopted").await;
}

#[tokio::test(start_paused = true)]
async fn what_runs_is_discarded_and_the_databases_release_is_live_again() {
    let (bench, process) = restored(Taken::Between).await;
    let running = bench.world.running().pop().unwrap();
    let lost = made(&bench, &running).spec.labels.deployment;
    let adopted = adopt(&process, true).await.unwrap();
    assert_eq!(adopted.removed, [running.as_str()]);
    let [one] = adopted.live.as_slice() else {
        panic!("{adopted:?}");
    };
    assert_eq!((one.origin, one.release), (Origin::Database, 1));
    process.drive().await;
    let live = live(&process);
    assert_eq!(live.release.content.image.id, image_of(sha('1').as_str()));

    // Of the lost deployment there is what its container told.
    let view = process.view(lost).await;
    assert_eq!(view.deployment.serial, DeploymentSerial(3));
    assert!(
        matches!(&view.deployment.phase, Phase::Failed { failure, .. } if failure.code == FailureCode::Restored),
        "{:?}",
        view.deployment.phase
    );
    assert!(process.log(lost).contains("last words"));

    let process = check(&bench, process, "discarded").await;
    deploy(&bench, &process, '4').await;
    let next = process.store.live(WEB).unwrap().unwrap();
    assert_eq!(next.deployment, DeploymentSerial(4));
    check(&bench, process, "deployed after it was discarded").await;
}

#[tokio::test(start_paused = true)]
async fn what_was_unfinished_is_given_up_when_the_world_is_kept_and_goes_on_when_it_is_not() {
    for discard in [false, true] {
        let (bench, process) = restored(Taken::InBuild).await;
        let adopted = adopt(&process, discard).await.unwrap();
        process.drive().await;
        let second = process.store.deployment(DeploymentSerial(2)).unwrap();
        if discard {
            assert!(
                matches!(second.phase, Phase::Succeeded { .. }),
                "{second:?}"
            );
            assert_eq!(live(&process).deployment, second.serial);
        } else {
            assert_eq!(adopted.failed, [second.id]);
            assert!(
                matches!(&second.phase, Phase::Failed { failure, .. } if failure.code == FailureCode::Restored),
                "{second:?}"
            );
            assert!(process.log(second.id).contains("restored from a backup"));
        }
        check(&bench, process, &format!("discard: {discard}")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn where_nothing_runs_the_databases_release_is_brought_up_and_what_is_the_same_stays() {
    for discard in [false, true] {
        let bench = Bench::new(vec![git_app("web"), git_app("api"), git_app("db")]);
        head(&bench, '1');
        let process = bench.start();
        for app in ["web", "api", "db"] {
            process.deploy(app).await.unwrap();
        }
        process.drive().await;
        drop(process);
        let backup = Backup::take(&bench);
        let process = bench.start();
        deploy(&bench, &process, '2').await;
        drop(process);
        backup.put_back(&bench);
        let api = {
            let mut state = bench.world.state.lock().unwrap();
            let api = state.containers.keys().find(|name| name.starts_with("api"));
            let api = api.unwrap().clone();
            state.containers.remove(&api);
            api
        };
        let process = bench.start();
        let adopted = adopt(&process, discard).await.unwrap();
        let origin = |app: &str| {
            let mut live = adopted.live.iter();
            live.find(|one| one.app.as_str() == app).unwrap().origin
        };
        assert_eq!(origin("db"), Origin::Unchanged);
        assert_eq!(origin("api"), Origin::Database);
        process.drive().await;
        let running = bench.world.running();
        assert_eq!(running.len(), 3, "{running:?}");
        assert!(running.contains(&api), "{running:?}");
        assert!(process.store.unfinished().unwrap().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn an_environment_made_after_the_backup_is_found_by_its_names_and_keeps_its_network() {
    let mut bench = Bench::new(vec![git_app("api")]);
    let process = bench.start();
    drop(process);
    let backup = Backup::take(&bench);
    bench.apps.push(git_app("web"));
    let process = bench.start();
    deploy(&bench, &process, '1').await;
    drop(process);
    backup.put_back(&bench);
    let running = bench.world.running().pop().unwrap();
    let before = made(&bench, &running).spec;
    let process = bench.start();
    let adopted = adopt(&process, false).await.unwrap();
    assert_eq!(adopted.live.len(), 1, "{adopted:?}");
    process.drive().await;
    deploy(&bench, &process, '2').await;
    let after = made(&bench, &bench.world.running().pop().unwrap()).spec;
    assert_eq!(after.network, before.network);
    assert_ne!(after.name, before.name);
    assert_eq!(bench.world.running().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn containers_of_no_environment_are_listed_and_left_alone_and_their_addresses_are_not_given_out()
 {
    for discard in [false, true] {
        let (bench, process) = restored(Taken::Between).await;
        {
            let mut state = bench.world.state.lock().unwrap();
            let mut stranger = state.containers.values().next().unwrap().clone();
            stranger.spec.name = "gone-production-00000000-9-1".into();
            stranger.spec.labels.app = "gone".into();
            stranger.spec.labels.serial = 9;
            // Of the same network: the next address that would be given out.
            stranger.spec.address = "10.213.0.9".parse().unwrap();
            let name = stranger.spec.name.clone();
            state.containers.insert(name, stranger);
        }
        let adopted = adopt(&process, discard).await.unwrap();
        let [unknown] = adopted.unknown.as_slice() else {
            panic!("{adopted:?}");
        };
        assert_eq!(unknown.container, "gone-production-00000000-9-1");
        process.drive().await;
        let last = live(&process).containers[0].address;
        for digit in ['4', '5', '6', '7', '8', '9', 'a', 'b'] {
            // The world itself fails the test where two containers have one address.
            deploy(&bench, &process, digit).await;
        }
        assert_ne!(live(&process).containers[0].address, last);
        assert!(live(&process).deployment > DeploymentSerial(9));
        let stranger = made(&bench, "gone-production-00000000-9-1");
        assert!(matches!(stranger.state, ContainerState::Running { .. }));
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_engine_cannot_be_asked_deployments_are_accepted_and_wait_as_long_as_they_would()
{
    let (bench, process) = restored(Taken::Between).await;
    let before = outside(&bench);
    bench.world.state.lock().unwrap().engine_is_gone = true;
    head(&bench, '4');
    let gives_up = process.deploy("web").await.unwrap().deployment;
    let clock = Fake(bench.world.clone());
    let mut waits = None;
    drive(&process, async {
        clock.sleep(Duration::from_secs(60)).await;
        let phase = process.view(gives_up.id).await.deployment.phase;
        assert_eq!(phase, Phase::Queued);
        assert!(process.log(gives_up.id).contains("waiting up to 2m"));
        waits = Some(process.deploy("web").await.unwrap().deployment);
        clock.sleep(Duration::from_secs(61)).await;
    })
    .await;
    let waits = waits.unwrap();
    let view = process.view(gives_up.id).await;
    assert!(
        matches!(&view.deployment.phase, Phase::Failed { failure, .. } if failure.code == FailureCode::EngineUnavailable),
        "{:?}",
        view.deployment.phase
    );

    // It answers, and shows that the database is too old, although its serials have caught up: what waits goes on
    // waiting.
    assert_eq!(waits.serial, DeploymentSerial(3));
    bench.world.state.lock().unwrap().engine_is_gone = false;
    drop(process);
    let process = bench.start();
    for_an_hour(&bench, &process).await;
    assert!(process.agent.warning().is_some());
    assert_eq!(process.view(waits.id).await.deployment.phase, Phase::Queued);
    assert_eq!(outside(&bench), before);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_comes_late_to_a_whole_database_finds_what_waited() {
    let bench = Bench::new(vec![git_app("web")]);
    bench.world.state.lock().unwrap().engine_is_gone = true;
    let process = bench.start();
    head(&bench, '1');
    let waits = process.deploy("web").await.unwrap().deployment;
    let clock = Fake(bench.world.clone());
    let minute = clock.sleep(Duration::from_secs(60));
    process.agent.drive(minute).await.unwrap();
    bench.world.state.lock().unwrap().engine_is_gone = false;
    process.drive().await;
    let view = process.view(waits.id).await;
    assert!(matches!(view.deployment.phase, Phase::Succeeded { .. }));
}

#[tokio::test(start_paused = true)]
async fn only_who_may_everything_everywhere_adopts_and_only_what_is_to_be_adopted() {
    let (bench, process) = restored(Taken::Between).await;
    let mut caller = process.caller.clone();
    caller.reach = Reach::App(AppSerial(1));
    let action = Action::Adopt { discard: true };
    let refused = process.agent.dispatch(&caller, action.clone()).await;
    assert!(matches!(refused, Err(Error::Forbidden(_))), "{refused:?}");
    // Before the first look nobody can decide.
    let refused = process.ask(action).await.unwrap_err();
    assert!(matches!(refused, Error::Unavailable(_)), "{refused:?}");
    adopt(&process, true).await.unwrap();
    let again = adopt(&process, true).await.unwrap_err();
    assert!(matches!(again, Error::Refused(_)), "{again:?}");
    process.drive().await;
    check(&bench, process, "adopted once").await;
}

async fn change(process: &Process, app: &str, change: Change) {
    let change = ChangeEnvironment {
        app: AppRef::Name(AppName::parse(app).unwrap()),
        environments: Environments::All,
        change,
        now: false,
        idle: false,
        key: None,
    };
    process.ask(Action::Change(change)).await.unwrap();
    process.drive().await;
}

#[tokio::test(start_paused = true)]
async fn an_environment_that_was_stopped_in_the_backup_and_runs_is_kept_running_or_stopped_again() {
    for discard in [false, true] {
        let bench = Bench::new(vec![git_app("web"), git_app("api")]);
        head(&bench, '1');
        let process = bench.start();
        process.deploy("api").await.unwrap();
        deploy(&bench, &process, '1').await;
        change(&process, "api", Change::Stop).await;
        assert_eq!(bench.world.running().len(), 1);
        drop(process);
        let backup = Backup::take(&bench);
        let process = bench.start();
        change(&process, "api", Change::Start).await;
        deploy(&bench, &process, '2').await;
        drop(process);
        backup.put_back(&bench);
        let process = bench.start();
        drive(&process, async {
            ask_to_adopt(&process, discard).await.unwrap();
            until_done(&process).await;
            Fake(bench.world.clone())
                .sleep(Duration::from_secs(1))
                .await;
        })
        .await;
        let running = bench.world.running().len();
        assert_eq!(running, if discard { 1 } else { 2 }, "discard: {discard}");
    }
}

/// One run: the process ends at the point `crash` of the adoption and what follows, the next one at `again`, and the
/// third goes to the end. Who asked and got no answer asks again.
fn run(taken: Taken, discard: bool, crash: Option<usize>, again: Option<usize>) -> (usize, usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let (bench, mut process) = restored(taken).await;
        let mut counts = Vec::new();
        let mut at = format!("{taken:?} discard {discard}");
        for (life, crash) in [crash, again, None].into_iter().enumerate() {
            bench.world.count_from_here(crash);
            let told = drive(&process, async {
                match ask_to_adopt(&process, discard).await {
                    Ok(_) | Err(Error::Refused(_) | Error::Internal(_)) => {}
                    Err(error) => panic!("{error}"),
                }
                until_done(&process).await;
                // The clock goes on only when nothing is left that could be done at once.
                Fake(bench.world.clone()).sleep(Duration::from_secs(1)).await;
            });
            tokio::select! {
                told = tokio::time::timeout(Duration::from_secs(7200), told) => told.expect("it ends"),
                () = bench.world.until_crash() => {}
            }
            let (points, crashed) = bench.world.points();
            counts.push(points.len());
            if !crashed {
                // How many points the second life has depends on what was done side by side in the first.
                assert!(
                    crash.is_none() || life > 0,
                    "{at}: point {crash:?} was never hit"
                );
                break;
            }
            at = format!("{at}, ended at {:?}", points.last());
            drop(process);
            bench.world.count_from_here(None);
            process = bench.start();
        }
        let process = check(&bench, process, &at).await;
        let expected = match (taken, discard) {
            (Taken::Between, false) => '3',
            (Taken::Between, true) => '1',
            (Taken::InBuild, false | true) => '2',
        };
        let content = live(&process).release.content;
        assert_eq!(content.image.id, image_of(sha(expected).as_str()), "{at}");
        (counts[0], counts.get(1).copied().unwrap_or(0))
    })
}

/// Ends the process at every point once, and at every seventh one again in what follows, at every ninth of its points.
fn enumerate(taken: Taken, discard: bool) {
    let (points, _) = run(taken, discard, None, None);
    let mut recoveries = 0;
    for point in 0..points {
        let (_, second) = run(taken, discard, Some(point), None);
        if point % 7 == 0 {
            for again in (point % 9..second).step_by(9) {
                run(taken, discard, Some(point), Some(again));
                recoveries += 1;
            }
        }
    }
    println!(
        "{taken:?} discard {discard}: {points} crash points, each hit; {recoveries} more in recoveries"
    );
    assert!(points > 20, "too few points: {points}");
}

#[test]
fn keeping_what_runs_survives_an_end_at_every_point() {
    enumerate(Taken::Between, false);
}

#[test]
fn discarding_what_runs_survives_an_end_at_every_point() {
    enumerate(Taken::Between, true);
}

#[test]
fn keeping_what_runs_over_an_unfinished_deployment_survives_an_end_at_every_point() {
    enumerate(Taken::InBuild, false);
}

#[test]
fn discarding_what_runs_under_an_unfinished_deployment_survives_an_end_at_every_point() {
    enumerate(Taken::InBuild, true);
}
