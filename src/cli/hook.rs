//! `longshore hook show`, `enable`, `renew` and `disable`.

use super::Session;
use super::document::encode;
use super::exit::{Error, Exit};
use super::table::clean;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use serde::Deserialize;
use serde_json::json;

/// Which environment's hook.
#[derive(Debug, Args)]
pub struct HookArgs {
    /// The app, as the configuration names it
    #[arg(value_name = "APP", value_parser = NonEmptyStringValueParser::new())]
    app: String,
    /// The environment; the app's default if absent
    #[arg(long, value_name = "E", value_parser = NonEmptyStringValueParser::new())]
    environment: Option<String>,
}

/// A hook as the API tells of it.
#[derive(Debug, Deserialize)]
struct Hook {
    app: String,
    environment: String,
    url: String,
}

impl HookArgs {
    fn path(&self) -> String {
        let app = encode(&self.app);
        match &self.environment {
            Some(environment) => {
                format!("/v1/apps/{app}/environments/{}/hook", encode(environment))
            }
            None => format!("/v1/apps/{app}/hook"),
        }
    }
}

/// Prints the address.
pub async fn show(session: &Session, args: &HookArgs) -> Result<Exit, Error> {
    let shown = session.client.get::<Hook>(&args.path()).await?;
    print(session, &shown.text, &shown.value)
}

/// Makes a hook where there is none, and prints its address.
pub async fn enable(session: &Session, args: &HookArgs) -> Result<Exit, Error> {
    let made = session
        .client
        .post::<Hook>(&args.path(), &json!({}), None)
        .await?;
    say(session, &made.value);
    print(session, &made.text, &made.value)
}

/// Makes another address, and prints it.
pub async fn renew(session: &Session, args: &HookArgs) -> Result<Exit, Error> {
    let renewed = session.client.put::<Hook>(&args.path(), &json!({})).await?;
    session
        .output
        .note("the earlier address leads nowhere from now on");
    say(session, &renewed.value);
    print(session, &renewed.text, &renewed.value)
}

/// Takes the hook away.
pub async fn disable(session: &Session, args: &HookArgs) -> Result<Exit, Error> {
    session.client.delete_silently(&args.path()).await?;
    session.output.note("the address leads nowhere from now on");
    if session.json {
        let what = json!({ "app": args.app, "environment": args.environment, "url": null });
        session.output.print(&what.to_string())?;
    }
    Ok(Exit::Success)
}

fn say(session: &Session, hook: &Hook) {
    session.output.note(&format!(
        "a POST to this address deploys {} of {}; whoever knows it can, so keep it secret",
        clean(&hook.environment),
        clean(&hook.app)
    ));
}

fn print(session: &Session, document: &str, hook: &Hook) -> Result<Exit, Error> {
    match session.json {
        true => session.output.print(document)?,
        false => session.output.print(&clean(&hook.url))?,
    }
    Ok(Exit::Success)
}
