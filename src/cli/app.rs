//! `longshore app show`.

use super::apps::notes;
use super::document::{App, Environment, encode};
use super::exit::{Error, Exit};
use super::output::{Paint, Side};
use super::table::clean;
use super::{Session, apps, moment};
use clap::Args;

/// Arguments of `longshore app show`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
With --json: the app as in `longshore apps --json`.

Example:
  longshore app show web")]
pub struct ShowArgs {
    /// The app, as the configuration names it
    #[arg(value_name = "APP", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    app: String,
}

/// Shows one app with its environments.
pub async fn show(session: &Session, args: &ShowArgs) -> Result<Exit, Error> {
    let path = format!("/v1/apps/{}", encode(&args.app));
    let app = session.client.get::<App>(&path).await?;
    let output = session.output;
    if session.json {
        output.print(&app.text)?;
        return Ok(Exit::Success);
    }
    let to_a_person = output.is_terminal(Side::Stdout);
    let paint = output.paint(Side::Stdout);
    output.print(&text(&app.value, to_a_person, paint))?;
    for note in notes(&app.value) {
        output.note(&note);
    }
    Ok(Exit::Success)
}

fn text(app: &App, to_a_person: bool, paint: Paint) -> String {
    let mut lines = vec![paint.bold(&clean(&app.name))];
    let mut row = |indent: &str, name: &str, value: String| {
        if !value.is_empty() {
            lines.push(format!(
                "{indent}{} {value}",
                paint.dim(&format!("{name:<12}"))
            ));
        }
    };
    row("  ", "project", clean(&app.project));
    if app.environments.is_empty() {
        row("  ", "environments", "none yet".to_owned());
    }
    for environment in &app.environments {
        row("  ", "environment", paint.bold(&clean(&environment.name)));
        for (name, value) in rows(environment, to_a_person) {
            row("    ", name, value);
        }
    }
    lines.join("\n")
}

fn rows(environment: &Environment, to_a_person: bool) -> [(&'static str, String); 9] {
    let text = |value: &Option<String>| value.as_deref().map(clean).unwrap_or_default();
    let release = environment.live_release;
    let is_job = environment.kind.as_deref() == Some("job");
    let kind = match (is_job, environment.preview) {
        (true, _) => "job",
        (false, true) => "preview",
        (false, false) => "",
    };
    let next = environment.next_run;
    let strategy = match is_job {
        true => String::new(),
        false => text(&environment.strategy),
    };
    [
        ("kind", kind.to_owned()),
        ("state", clean(&environment.desired)),
        (
            "release",
            release.map_or("none".to_owned(), |number| number.to_string()),
        ),
        ("version", apps::short(&text(&environment.version))),
        ("domains", clean(&environment.domains.join(", "))),
        ("address", text(&environment.address)),
        ("strategy", strategy),
        (
            "next run",
            next.map_or(String::new(), |next| moment::ahead(next, to_a_person)),
        ),
        ("drift", clean(&environment.drift.join(", "))),
    ]
}
