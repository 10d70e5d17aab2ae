//! `longshore token create`.

use super::Session;
use super::document::Token;
use super::exit::{Error, Exit};
use crate::core::access::Scope;
use clap::Args;

/// Arguments of `longshore token create`.
#[derive(Debug, Args)]
#[command(after_help = "\
Scopes:
  deploy:read   look at deployments, logs and apps
  deploy:write  also deploy and cancel
  deploy:admin  everything, tokens included

Examples:
  longshore token create ci --scope write --app web
  longshore token create dashboard --scope read > dashboard.token")]
pub struct CreateArgs {
    /// A name to know it by; it is shown with the deployments made with it
    name: String,
    /// What it may do: deploy:read, deploy:write or deploy:admin, or without `deploy:`
    #[arg(long, value_name = "SCOPE", value_parser = scope)]
    scope: Scope,
    /// Only for this app
    #[arg(long, value_name = "APP")]
    app: Option<String>,
    /// Only for this environment of the app
    #[arg(long, value_name = "E", requires = "app")]
    environment: Option<String>,
}

fn scope(text: &str) -> Result<Scope, String> {
    Scope::parse(text)
        .or_else(|| Scope::parse(&format!("deploy:{text}")))
        .ok_or("it is none of deploy:read, deploy:write, deploy:admin".to_owned())
}

/// Makes a token: the secret alone goes to standard output, so that it can be redirected into a file.
pub async fn run(session: &Session, args: &CreateArgs) -> Result<Exit, Error> {
    let mut body = serde_json::json!({ "name": args.name, "scope": args.scope.as_str() });
    for (field, value) in [("app", &args.app), ("environment", &args.environment)] {
        if let Some(value) = value {
            body[field] = value.as_str().into();
        }
    }
    let made = session
        .client
        .post::<Token>("/v1/tokens", &body, None)
        .await?;
    if session.json {
        session.output.print(&made.text)?;
        return Ok(Exit::Success);
    }
    let reach = match (&args.app, &args.environment) {
        (Some(app), Some(environment)) => format!("{environment} of {app}"),
        (Some(app), None) => app.clone(),
        (None, _) => "all apps".to_owned(),
    };
    session.output.say(&format!(
        "token {} ({}, for {reach}) is made. This is its secret; it is not kept and not shown again:",
        super::table::clean(&made.value.name),
        super::table::clean(&made.value.scope),
    ));
    session.output.print(made.value.token.expose())?;
    Ok(Exit::Success)
}
