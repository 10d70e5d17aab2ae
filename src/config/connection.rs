//! `connections` and `connect_env` of an app: which other apps it reaches, and the variables by which it is told where.

use super::app::Declared;
use super::fault::Report;
use super::job::Kind;
use super::layer::Layer;
use super::reader::At;
use super::value::c_string;
use crate::core::connection::{Connect, ConnectValue, Piece};
use crate::core::name::{AppName, EnvironmentName, ProcessName, VariableName};
use crate::core::process::alias;
use leon::{Item, Template};
use std::collections::BTreeSet;

/// What stands before a secret's name.
const SECRETS: &str = "secrets";

/// A value of `connect_env`, in its pieces.
pub(super) type Pieces = Vec<Written>;

/// A piece of it, as it was written.
#[derive(Clone, Debug)]
pub(super) enum Written {
    Text(String),
    Host(AppName),
    Port(AppName),
    Secret(VariableName),
}

/// Reads a value: text with `{app.host}`, `{app.port}` and `{secrets.NAME}` in it.
pub(super) fn template(text: &str) -> Result<Pieces, String> {
    let text = c_string(text)?;
    // Not quoted: there may be a password in it.
    let template = Template::parse(&text).map_err(|_| {
        r"has braces or a backslash that do not fit: write {db.host}, and in single quotes \{, \} and \\ for a brace or backslash that is meant".to_owned()
    })?;
    template.items.iter().map(written).collect()
}

fn written(item: &Item<'_>) -> Result<Written, String> {
    let key = match item {
        Item::Text(text) => return Ok(Written::Text((*text).to_owned())),
        Item::Key(key) => *key,
    };
    let unknown = || {
        format!("has {{{key}}}, which is none of {{app.host}}, {{app.port}} and {{secrets.NAME}}")
    };
    let (of, what) = key.split_once('.').ok_or_else(unknown)?;
    if of == SECRETS {
        return match VariableName::parse(what) {
            Ok(name) => Ok(Written::Secret(name)),
            Err(_) => Err(unknown()),
        };
    }
    match (AppName::parse(of), what) {
        (Ok(app), "host") => Ok(Written::Host(app)),
        (Ok(app), "port") => Ok(Written::Port(app)),
        (Ok(_) | Err(_), _) => Err(unknown()),
    }
}

/// What an environment is connected to; reports what cannot be.
pub(super) fn build(
    of: &Declared,
    environment: &EnvironmentName,
    layer: &Layer,
    apps: &[Declared],
    report: &Report,
) -> Connect {
    let listed = layer.connections.value().map_or(&[][..], Vec::as_slice);
    let mut to = BTreeSet::new();
    for entry in listed {
        if let Err(fault) = check(of, (environment, layer), &entry.value, apps) {
            report.add(&entry.place, fault);
        }
        if !to.insert(entry.value.clone()) {
            report.add(
                &entry.place,
                format!("is \"{}\" a second time", entry.value),
            );
        }
    }
    if layer.connections.value().is_none() && !layer.connections.is_absent() {
        // What is listed there is not known: nothing can be said of what names it.
        return Connect::default();
    }
    let mut env = std::collections::BTreeMap::new();
    for (name, pieces) in &layer.connect_env {
        // What is said plainly wins: nobody is told this one.
        if layer.env.contains_key(name) || layer.secrets.contains_key(name) {
            continue;
        }
        let value = value(environment, layer, (&to, apps), pieces, report);
        env.insert(name.clone(), value);
    }
    Connect { to, env }
}

fn check(
    of: &Declared,
    (environment, layer): (&EnvironmentName, &Layer),
    app: &AppName,
    apps: &[Declared],
) -> Result<(), String> {
    if of.name.value() == Some(app) {
        return Err(format!(
            "is \"{app}\", the app itself: its containers reach each other already"
        ));
    }
    let own = |process: &&ProcessName| {
        let name = of.name.value().map(AppName::as_str);
        name.is_some_and(|name| alias(name, process.as_str()) == app.as_str())
    };
    if let Some(process) = layer.processes.keys().find(own) {
        return Err(format!(
            "is \"{app}\", the name by which the app's own process \"{process}\" is found: give one of them another"
        ));
    }
    let Some(provider) = named(apps, app) else {
        let known = apps.iter().filter_map(|app| app.name.value());
        let near = known
            .map(|known| (strsim::osa_distance(known.as_str(), app.as_str()), known))
            .min()
            .filter(|(distance, known)| *distance <= (known.as_str().len() / 3).max(1));
        let meant = near.map_or_else(String::new, |(_, name)| {
            format!("; did you mean \"{name}\"?")
        });
        return Err(format!("is \"{app}\", and there is no such app{meant}"));
    };
    match provider.kind() {
        Some(Kind::Job) => {
            return Err(format!(
                "is \"{app}\", a job: nothing of it runs on that could be reached"
            ));
        }
        Some(Kind::Service) | None => {}
    }
    if provider.environments.is_empty() {
        return Err(format!(
            "is \"{app}\", of which deployments are only recorded: there is nothing to reach"
        ));
    }
    if !provider.environments.contains_key(environment) {
        let known: Vec<&str> = provider
            .environments
            .keys()
            .map(EnvironmentName::as_str)
            .collect();
        return Err(format!(
            "is \"{app}\", which has no environment \"{environment}\"; it has {}",
            known.join(", ")
        ));
    }
    Ok(())
}

fn named<'a>(apps: &'a [Declared], name: &AppName) -> Option<&'a Declared> {
    apps.iter().find(|app| app.name.value() == Some(name))
}

fn value(
    environment: &EnvironmentName,
    layer: &Layer,
    (to, apps): (&BTreeSet<AppName>, &[Declared]),
    pieces: &At<Pieces>,
    report: &Report,
) -> ConnectValue {
    let fault = |text: String| {
        report.add(&pieces.place, text);
        Piece::Text(String::new())
    };
    let connected = |app: &AppName| {
        if to.contains(app) {
            return Ok(());
        }
        let known: Vec<&str> = to.iter().map(AppName::as_str).collect();
        let known = match known.join(", ") {
            none if none.is_empty() => "it has none".to_owned(),
            known => format!("it has {known}"),
        };
        Err(format!(
            "names \"{app}\", which is none of the environment's connections; {known}"
        ))
    };
    let piece = |written: &Written| match written {
        Written::Text(text) => Piece::Text(text.clone()),
        Written::Host(app) => match connected(app) {
            Ok(()) => Piece::Text(app.to_string()),
            Err(why) => fault(why),
        },
        Written::Port(app) => match connected(app).map(|()| port(apps, app, environment)) {
            Ok(Some(port)) => Piece::Text(port.to_string()),
            Ok(None) => fault(format!(
                "has {{{app}.port}}, and \"{app}\" has no port: set the port it listens on there, or write the number here"
            )),
            Err(why) => fault(why),
        },
        Written::Secret(name) if layer.secrets.contains_key(name) => Piece::Secret(name.clone()),
        Written::Secret(name) => {
            let known: Vec<&str> = layer.secrets.keys().map(VariableName::as_str).collect();
            let known = match known.join(", ") {
                none if none.is_empty() => "it has none".to_owned(),
                known => format!("it has {known}"),
            };
            fault(format!(
                "has {{secrets.{name}}}, which is no secret of the app; {known}"
            ))
        }
    };
    ConnectValue(pieces.value.iter().map(piece).collect())
}

/// The port of a provider. One that could not be read has a fault of its own: anything fills its place.
fn port(apps: &[Declared], app: &AppName, environment: &EnvironmentName) -> Option<u16> {
    let Some(layer) = named(apps, app).and_then(|app| app.environments.get(environment)) else {
        return Some(0);
    };
    match layer.port.is_absent() {
        true => None,
        false => Some(layer.port.value().copied().unwrap_or_default()),
    }
}
