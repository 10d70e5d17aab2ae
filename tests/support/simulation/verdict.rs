//! The laws of the end: everything accepted has ended, for a reason; the world is what the database says.

use super::notes::{Notes, Reason};
use super::observer::open;
use super::script::Script;
use super::sim::Sim;
use crate::laws;
use crate::world::{Behaviour, Bench, Process, image_of};
use longshore::core::deployment::{Deployment, Phase, Wanted};
use longshore::core::failure::FailureCode;
use longshore::core::id::DeploymentSerial;
use rusqlite::Connection;
use std::time::Duration;

/// Cancelled is cleared away within this time, where nothing goes wrong: a container's grace, and calls.
const CLEARED: Duration = Duration::from_secs(30);

pub fn judge(sim: &Sim, bench: &Bench, process: &Process) {
    laws::hold(bench, process, "at the end");
    let connection = open(&bench.dir.path().join("longshore.db"));
    let deployments: Vec<Deployment> =
        numbers(&connection, "SELECT serial FROM deployment ORDER BY serial")
            .into_iter()
            .map(|serial| process.store.deployment(DeploymentSerial(serial)).unwrap())
            .collect();
    let notes = sim.notes();
    let mut laws = Vec::new();
    for id in &notes.accepted {
        if !deployments.iter().any(|deployment| deployment.id == *id) {
            laws.push(format!("the accepted deployment {id} is lost"));
        }
    }
    if deployments.len() > notes.attempts {
        laws.push(format!(
            "{} requests made {} deployments",
            notes.attempts,
            deployments.len()
        ));
    }
    for deployment in &deployments {
        laws.extend(ended_well(sim, &notes, &connection, deployment));
        let cancelled = matches!(deployment.phase, Phase::Cancelled { .. });
        if notes.cancelled.contains(&deployment.id) && !cancelled {
            laws.push(format!(
                "deployment {} was cancelled and is {:?}",
                deployment.serial, deployment.phase
            ));
        }
    }
    for serial in &notes.changes {
        laws.extend(change_ended_well(&notes, &connection, *serial));
    }
    laws.extend(newest_is_live(&connection));
    laws.extend(requests_go_where_they_are_meant_to(sim, process));
    laws.extend(deleted_is_hidden(&notes, &connection));
    drop(notes);
    for law in laws {
        sim.against(law);
    }
}

/// A deployment has ended, and if it failed, something explains it.
fn ended_well(
    sim: &Sim,
    notes: &Notes,
    connection: &Connection,
    deployment: &Deployment,
) -> Option<String> {
    let serial = deployment.serial;
    let (step, failure) = match &deployment.phase {
        Phase::Succeeded { .. } | Phase::Superseded { .. } => return None,
        Phase::Cancelled { .. } => return cleared_in_time(sim, connection, deployment),
        Phase::Queued | Phase::Running(_) | Phase::Committed(_) => {
            return Some(format!(
                "deployment {serial} has not ended: {:?}",
                deployment.phase
            ));
        }
        Phase::Failed { step, failure, .. } => (step, failure),
    };
    let app: String = connection
        .query_row(
            "SELECT name FROM app WHERE serial = ?1",
            [deployment.app.0],
            |row| row.get(0),
        )
        .unwrap();
    let phases = &notes.phases[&serial.0];
    let (from, to) = (phases[1].1, phases.last().unwrap().1);
    let because = |reasons: &[Reason]| notes.explains(&app, from, to, reasons);
    let behaviour = behaviour(&sim.script, connection, deployment);
    let explained = match failure.code {
        FailureCode::NotReady => behaviour == Behaviour::NeverReady || because(&[Reason::Touched]),
        FailureCode::ContainerExited => {
            matches!(behaviour, Behaviour::Exits(_))
                || because(&[Reason::Touched, Reason::EngineKilled])
        }
        // No app of the simulation has commands.
        FailureCode::ReleaseFailed
        | FailureCode::TaskFailed
        | FailureCode::JobFailed
        | FailureCode::Interrupted => false,
        FailureCode::EngineRefused => because(&[Reason::Refused, Reason::Touched]),
        FailureCode::BuildFailed | FailureCode::PullFailed => because(&[Reason::Refused]),
        FailureCode::CheckoutFailed => because(&[Reason::Source]),
        // An outage that began before the deployment did counts, too.
        FailureCode::EngineUnavailable | FailureCode::DeadlineExceeded => notes.explains(
            &app,
            from.saturating_sub(Duration::from_secs(900)),
            to,
            &[Reason::EngineAway],
        ),
        FailureCode::CrashLoop => notes.crashes >= 4,
        FailureCode::EnvironmentStopped | FailureCode::EnvironmentSuspended => {
            !notes.changes.is_empty() || notes.forced
        }
        FailureCode::ImageGone
        | FailureCode::DockerfileMissing
        | FailureCode::ImageMissing
        | FailureCode::SecretUnreadable
        | FailureCode::ConfigChanged
        | FailureCode::AddressesExhausted
        | FailureCode::DiskFull
        | FailureCode::Restored
        | FailureCode::Internal => false,
    };
    (!explained).then(|| {
        format!(
            "nothing explains why deployment {serial} ({behaviour:?}) failed in its {}: {} {}",
            step.as_str(),
            failure.code.as_str(),
            failure.message
        )
    })
}

/// What the image of a deployment does; for a rollback or a restart the one its release runs.
fn behaviour(script: &Script, connection: &Connection, deployment: &Deployment) -> Behaviour {
    let image = match &deployment.request.wanted {
        Wanted::Commit { sha, .. } => image_of(sha.as_str()),
        Wanted::Image(reference) => format!("sha256:{}", reference.with_tag()),
        // What was live once served.
        Wanted::Release(_) | Wanted::Restart => String::new(),
    };
    let _ = connection;
    script
        .behaviours
        .get(&image)
        .copied()
        .unwrap_or(Behaviour::Serves)
}

fn cleared_in_time(sim: &Sim, connection: &Connection, deployment: &Deployment) -> Option<String> {
    let Phase::Cancelled {
        at,
        was_waiting: false,
        ..
    } = deployment.phase
    else {
        return None;
    };
    if !sim.script.weather.calm {
        return None;
    }
    let done: i64 = connection
        .query_row(
            "SELECT done_at FROM operation WHERE deployment = ?1",
            [deployment.serial.0],
            |row| row.get(0),
        )
        .unwrap();
    let took = Duration::from_millis(u64::try_from(done - at.0).unwrap_or_default());
    (took > CLEARED).then(|| {
        format!(
            "deployment {} was cleared away {took:?} after its cancel",
            deployment.serial
        )
    })
}

fn change_ended_well(notes: &Notes, connection: &Connection, serial: i64) -> Option<String> {
    let (app, phase, failure): (String, String, Option<String>) = connection
        .query_row(
            "SELECT a.name, o.phase, o.failure FROM operation o JOIN environment e ON e.serial = o.environment
             JOIN app a ON a.serial = e.app WHERE o.serial = ?1",
            [serial],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .unwrap();
    let reasons = [
        Reason::Refused,
        Reason::Touched,
        Reason::EngineAway,
        Reason::IngressAway,
    ];
    let explained = match phase.as_str() {
        "done" | "cancelled" => true,
        "failed" => {
            let crash_loop = failure
                .as_deref()
                .is_some_and(|text| text.contains("crash_loop"));
            (crash_loop && notes.crashes >= 4)
                || notes.explains(&app, Duration::ZERO, Duration::MAX, &reasons)
        }
        _ => false,
    };
    (!explained).then(|| format!("change {serial} is {phase}: {failure:?}"))
}

/// What is live is the release of the newest deployment that succeeded.
fn newest_is_live(connection: &Connection) -> Option<String> {
    let wrong = numbers(
        connection,
        "SELECT e.serial FROM environment e WHERE e.removed_at IS NULL AND e.live_deployment IS NOT
             (SELECT max(d.serial) FROM deployment d WHERE d.environment = e.serial AND d.phase = 'succeeded')
         OR e.live_release IS NOT (SELECT d.release FROM deployment d WHERE d.serial = e.live_deployment)",
    );
    (!wrong.is_empty()).then(|| format!("environments {wrong:?} do not serve their newest release"))
}

/// The ingress holds the table of this moment, and where nothing went wrong no request was cut off by a swap.
fn requests_go_where_they_are_meant_to(sim: &Sim, process: &Process) -> Vec<String> {
    let state = sim.world.state.lock().unwrap();
    let mut laws = Vec::new();
    let wanted = process.store.table().unwrap();
    if state.table.as_ref() != Some(&wanted) {
        laws.push(format!(
            "the ingress holds {:?}, not {wanted:?}",
            state.table
        ));
    }
    let cut = state.cut.iter().filter(|name| sim.script.swaps(name));
    if sim.script.weather.calm {
        laws.extend(cut.map(|name| format!("requests to {name} were cut off")));
    }
    laws
}

/// What was deleted has ended and is hidden, and the totals of lists leave it out.
fn deleted_is_hidden(notes: &Notes, connection: &Connection) -> Vec<String> {
    let mut laws = Vec::new();
    for id in &notes.deleted {
        let hidden: bool = connection
            .query_row(
                "SELECT hidden_at IS NOT NULL AND hidden_by IS NOT NULL AND ended_at IS NOT NULL FROM deployment WHERE uuid = ?1",
                [id.to_string()],
                |row| row.get(0),
            )
            .unwrap();
        if !hidden {
            laws.push(format!("deployment {id} was deleted and is there"));
        }
    }
    let wrong = numbers(
        connection,
        "SELECT e.serial FROM environment e WHERE
             (SELECT coalesce(sum(t.deployments), 0) FROM tally t WHERE t.environment = e.serial) <>
             (SELECT count(*) FROM deployment d WHERE d.environment = e.serial AND d.hidden_at IS NULL)",
    );
    if !wrong.is_empty() {
        laws.push(format!("the totals of environments {wrong:?} are wrong"));
    }
    laws
}

fn numbers(connection: &Connection, sql: &str) -> Vec<i64> {
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}
