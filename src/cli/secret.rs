//! `longshore secret set`, `ls` and `rm`.

use super::document::encode;
use super::exit::{Error, Exit};
use super::output::Side;
use super::table::clean;
use super::{Session, moment, table, value};
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use serde::Deserialize;
use std::path::PathBuf;

/// Arguments of `longshore secret set`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
The app's configuration takes it with secrets = { NAME = \"store\" }. What runs keeps what it has:
the value is read when a container is made, so deploy the app to apply it.
One line end at the end of the value is left out, as with a file.

With --json: {\"name\", \"app\", \"environment\", \"set_at\", \"set_by\", \"used\"}

Examples:
  longshore secret set web DATABASE_URL                    asks for the value and does not show it
  openssl rand -hex 32 | longshore secret set web COOKIE_KEY --environment staging
  longshore secret set web TLS_KEY --from-file key.pem")]
pub struct SetArgs {
    #[command(flatten)]
    which: Which,
    /// Read the value from this file
    #[arg(long, value_name = "FILE")]
    from_file: Option<PathBuf>,
    /// A value has no place here; it is taken to say so.
    #[arg(hide = true)]
    value: Option<String>,
}

/// Arguments of `longshore secret ls`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
A secret that the configuration does not take (USED no) reaches no container.

With --json: {\"app\", \"environment\", \"data\": [{\"name\", \"set_at\", \"set_by\", \"used\"}]}

Example:
  longshore secret ls web --environment staging")]
pub struct ListArgs {
    #[command(flatten)]
    place: Place,
}

/// Arguments of `longshore secret rm`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
What runs keeps what it has. A deployment that needs the secret will fail.

With --json: {\"name\", \"app\", \"environment\", \"used\"}

Example:
  longshore secret rm web DATABASE_URL")]
pub struct RemoveArgs {
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, Args)]
struct Place {
    /// The app, as the configuration names it
    #[arg(value_name = "APP", value_parser = NonEmptyStringValueParser::new())]
    app: String,
    /// The environment; the app's default if absent
    #[arg(long, value_name = "E", value_parser = NonEmptyStringValueParser::new())]
    environment: Option<String>,
}

#[derive(Debug, Args)]
struct Which {
    #[command(flatten)]
    place: Place,
    /// The variable's name
    #[arg(value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    name: String,
}

/// A secret as the API tells of it.
#[derive(Debug, Deserialize)]
struct Secret {
    name: String,
    #[serde(default)]
    app: String,
    #[serde(default)]
    environment: String,
    set_at: Option<String>,
    set_by: Option<String>,
    used: bool,
}

#[derive(Debug, Deserialize)]
struct Secrets {
    app: String,
    environment: String,
    data: Vec<Secret>,
}

impl Place {
    fn path(&self) -> String {
        let app = encode(&self.app);
        match &self.environment {
            Some(environment) => {
                format!(
                    "/v1/apps/{app}/environments/{}/secrets",
                    encode(environment)
                )
            }
            None => format!("/v1/apps/{app}/secrets"),
        }
    }
}

impl Which {
    fn path(&self) -> String {
        format!("{}/{}", self.place.path(), encode(&self.name))
    }
}

/// Sets a secret.
pub async fn set(session: &Session, args: &SetArgs) -> Result<Exit, Error> {
    if args.value.is_some() || args.which.name.contains('=') {
        return Err(Error::usage(
            "a value on the command line is seen by every user of this host and stays in the shell's history; \
             type it when asked, pipe it in, or name its file with --from-file",
        ));
    }
    let name = &args.which.name;
    let value = match &args.from_file {
        Some(file) => value::from_file(file)?,
        None => match value::from_stdin(session.output, name).await? {
            Some(value) => value,
            None => return Ok(Exit::Interrupted),
        },
    };
    let body = serde_json::json!({ "value": value.expose() });
    let set = session
        .client
        .put::<Secret>(&args.which.path(), &body)
        .await?;
    let secret = &set.value;
    let (app, environment, name) = (
        clean(&secret.app),
        clean(&secret.environment),
        clean(&secret.name),
    );
    let next = if secret.used {
        format!(
            "what runs keeps what it has: `longshore deploy {app} --environment {environment}` applies it"
        )
    } else {
        format!(
            "the configuration does not take it yet: it needs secrets = {{ {name} = \"store\" }}"
        )
    };
    session
        .output
        .note(&format!("{name} of {environment} of {app} is set; {next}"));
    finish(session, &set.text)
}

/// Lists secrets.
pub async fn list(session: &Session, args: &ListArgs) -> Result<Exit, Error> {
    let page = session.client.get::<Secrets>(&args.place.path()).await?;
    let output = session.output;
    if session.json {
        return finish(session, &page.text);
    }
    let Secrets {
        app,
        environment,
        data,
    } = &page.value;
    if data.is_empty() {
        output.note(&format!(
            "no secrets are kept for {} of {}",
            clean(environment),
            clean(app)
        ));
        return Ok(Exit::Success);
    }
    let to_a_person = output.is_terminal(Side::Stdout);
    let rows = data.iter().map(|secret| row(secret, to_a_person)).collect();
    output.print(&table::render(
        &["NAME", "SET", "BY", "USED"],
        rows,
        &["BY"],
        output,
    ))?;
    Ok(Exit::Success)
}

fn row(secret: &Secret, to_a_person: bool) -> Vec<String> {
    let at = secret.set_at.as_deref().and_then(moment::parse);
    let set = match (&secret.set_at, at) {
        (Some(_), Some(at)) => moment::shown(at, to_a_person),
        (Some(text), None) => text.clone(),
        (None, _) => "not set".to_owned(),
    };
    let used = if secret.used { "yes" } else { "no" };
    let by = secret.set_by.clone().unwrap_or_default();
    vec![secret.name.clone(), set, by, used.to_owned()]
}

/// Forgets a secret.
pub async fn remove(session: &Session, args: &RemoveArgs) -> Result<Exit, Error> {
    let removed = session.client.delete::<Secret>(&args.which.path()).await?;
    let secret = &removed.value;
    let next = if secret.used {
        "; what runs keeps what it has, and a deployment will fail until it is set again"
    } else {
        ""
    };
    session.output.note(&format!(
        "{} of {} of {} is forgotten{next}",
        clean(&secret.name),
        clean(&secret.environment),
        clean(&secret.app)
    ));
    finish(session, &removed.text)
}

fn finish(session: &Session, document: &str) -> Result<Exit, Error> {
    if session.json {
        session.output.print(document)?;
    }
    Ok(Exit::Success)
}
