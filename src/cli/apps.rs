//! `longshore apps`.

use super::document::{App, Apps, Environment};
use super::exit::{Error, Exit};
use super::output::Side;
use super::{Session, moment, table};

/// Lists apps and environments.
pub async fn run(session: &Session) -> Result<Exit, Error> {
    let apps = session.client.get::<Apps>("/v1/apps").await?;
    if session.json {
        session.output.print(&apps.text)?;
        return Ok(Exit::Success);
    }
    if apps.value.data.is_empty() {
        session
            .output
            .note("no apps; add an [[app]] to the configuration");
        return Ok(Exit::Success);
    }
    let header = [
        "APP",
        "ENVIRONMENT",
        "STATE",
        "RELEASE",
        "VERSION",
        "ADDRESS",
        "PROJECT",
    ];
    let rows = apps.value.data.iter().flat_map(rows).collect();
    session.output.print(&table::render(
        &header,
        rows,
        &["PROJECT", "VERSION", "ADDRESS"],
        session.output,
    ))?;
    let to_a_person = session.output.is_terminal(Side::Stdout);
    for note in apps
        .value
        .data
        .iter()
        .flat_map(|app| next_runs(app, to_a_person))
    {
        session.output.print(&note)?;
    }
    for note in apps.value.data.iter().flat_map(notes) {
        session.output.note(&note);
    }
    Ok(Exit::Success)
}

/// One row for each environment, or one for an app that has none.
fn rows(app: &App) -> Vec<Vec<String>> {
    let name = if app.configured {
        app.name.clone()
    } else {
        format!("{} (not in configuration)", app.name)
    };
    let row = |environment: Option<&Environment>| {
        let text = |read: fn(&Environment) -> Option<String>| {
            environment.and_then(read).unwrap_or_default()
        };
        vec![
            name.clone(),
            text(|e| Some(shown_name(e))),
            text(|e| Some(e.desired.clone())),
            text(|e| e.live_release.map(|number| number.to_string())),
            text(|e| e.version.as_deref().map(short)),
            text(reached_at),
            app.project.clone(),
        ]
    };
    if app.environments.is_empty() {
        vec![row(None)]
    } else {
        app.environments
            .iter()
            .map(|environment| row(Some(environment)))
            .collect()
    }
}

/// A preview is told apart: it is not in the configuration, and will be gone some day.
fn shown_name(environment: &Environment) -> String {
    match environment.preview {
        true => format!("{} (preview)", environment.name),
        false => environment.name.clone(),
    }
}

/// The first domain, with a mark where there are more; else where the live container listens.
fn reached_at(environment: &Environment) -> Option<String> {
    match environment.domains.as_slice() {
        [] => environment.address.clone(),
        [only] => Some(only.clone()),
        [first, others @ ..] => Some(format!("{first} (+{})", others.len())),
    }
}

/// When the schedules of an app come next.
pub fn next_runs(app: &App, to_a_person: bool) -> Vec<String> {
    let name = table::clean(&app.name);
    let line = |environment: &Environment| {
        let next = environment.next_run?;
        let place = table::clean(&environment.name);
        Some(format!(
            "next run of {name} in {place}: {}",
            moment::ahead(next, to_a_person)
        ))
    };
    app.environments.iter().filter_map(line).collect()
}

/// What somebody may want to do about an app: where what runs is not what the configuration says.
pub fn notes(app: &App) -> Vec<String> {
    let name = table::clean(&app.name);
    if !app.configured && !app.environments.is_empty() {
        let note =
            format!("{name}: removed from the configuration: `longshore app rm {name}` to remove");
        return vec![note];
    }
    let note = |environment: &Environment| {
        let place = table::clean(&environment.name);
        if !environment.configured && environment.preview {
            return Some(format!(
                "{place} of {name}: the configuration takes no previews any more; it goes on until its time is over"
            ));
        }
        if !environment.configured {
            return Some(format!(
                "{place} of {name}: removed from the configuration; what runs there goes on"
            ));
        }
        let keys = table::clean(&environment.drift.join(", "));
        (!keys.is_empty()).then(|| {
            format!(
                "{place} of {name}: config changed ({keys}): `longshore deploy {name} --environment {place}` to apply"
            )
        })
    };
    app.environments.iter().filter_map(note).collect()
}

/// A commit as git shortens it; an image as it is.
pub fn short(version: &str) -> String {
    let is_sha = version.len() >= 40 && version.bytes().all(|b| b.is_ascii_hexdigit());
    if is_sha {
        version[..7].to_owned()
    } else {
        version.to_owned()
    }
}
