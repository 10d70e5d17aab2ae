//! `longshore token create`, `ls` and `revoke`.

use super::document::{encode, query};
use super::exit::{Error, Exit};
use super::output::Side;
use super::table::clean;
use super::{Session, moment, table};
use crate::core::access::Scope;
use crate::core::secret::Secret;
use crate::core::time::Timestamp;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use serde::Deserialize;

/// Arguments of `longshore token create`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Scopes:
  deploy:read   look at deployments, logs and apps
  deploy:write  also deploy and cancel
  deploy:admin  everything, tokens included

With --json: the token as in `token ls`, and its secret as \"token\".

Examples:
  longshore token create ci --scope write --app web --expires 90d
  longshore token create dashboard --scope read --rate 30 > dashboard.token")]
pub struct CreateArgs {
    /// A name to know it by; it is shown with the deployments made with it
    #[arg(value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
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
    /// How many requests it may make: starter, pro or enterprise
    #[arg(long, value_name = "PLAN", conflicts_with_all = ["rate", "burst"])]
    plan: Option<Plan>,
    /// How many requests a minute it may make
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// How many of them at once
    #[arg(long, value_name = "N", requires = "rate", value_parser = clap::value_parser!(u32).range(1..))]
    burst: Option<u32>,
    /// When it ends by itself: after a time (90d), or at a date (2027-01-31, midnight UTC)
    #[arg(long, value_name = "TIME", value_parser = expiry)]
    expires: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Plan {
    Starter,
    Pro,
    Enterprise,
}

impl Plan {
    fn as_str(self) -> &'static str {
        match self {
            Self::Starter => "starter",
            Self::Pro => "pro",
            Self::Enterprise => "enterprise",
        }
    }
}

/// Arguments of `longshore token ls`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
With --json: {\"data\": [{\"id\", \"name\", \"scope\", \"app\", \"environment\", \"plan\", \"rate\", \"burst\",
\"created_at\", \"created_by\", \"expires_at\", \"last_used_at\", \"revoked_at\"}]}

Examples:
  longshore token ls
  longshore token ls --all")]
pub struct ListArgs {
    /// Those that were revoked or have expired, too
    #[arg(long)]
    all: bool,
}

/// Arguments of `longshore token revoke`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
It holds at once and cannot be undone. What the token began goes on.

With --json: {\"id\", \"name\", \"revoked\": true}

Example:
  longshore token revoke ci")]
pub struct RevokeArgs {
    /// The token's name or id
    #[arg(value_name = "NAME|ID", value_parser = NonEmptyStringValueParser::new())]
    token: String,
}

/// A token as the API tells of it.
#[derive(Debug, Deserialize)]
struct Token {
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    scope: String,
    app: Option<String>,
    environment: Option<String>,
    plan: Option<String>,
    rate: Option<u32>,
    expires_at: Option<String>,
    last_used_at: Option<String>,
    revoked_at: Option<String>,
    created_by: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Tokens {
    data: Vec<Token>,
}

#[derive(Debug, Deserialize)]
struct NewToken {
    name: String,
    scope: String,
    token: Secret,
}

fn scope(text: &str) -> Result<Scope, String> {
    Scope::parse(text)
        .or_else(|| Scope::parse(&format!("deploy:{text}")))
        .ok_or("it is none of deploy:read, deploy:write, deploy:admin".to_owned())
}

/// `90d`, `2027-01-31` or a whole point in time.
fn expiry(text: &str) -> Result<Timestamp, String> {
    let now = moment::now();
    let at = match humantime::parse_duration(text) {
        Ok(time) => {
            let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
            Some(Timestamp(now.0.saturating_add(millis)))
        }
        Err(_) => moment::parse(text).or_else(|| moment::parse(&format!("{text}T00:00:00Z"))),
    };
    match at {
        Some(at) if at.0 > now.0 => Ok(at),
        Some(_) => Err("that is past".to_owned()),
        None => Err("it is neither a time like 90d or 12h nor a date like 2027-01-31".to_owned()),
    }
}

/// Makes a token: the secret alone goes to standard output, so that it can be redirected into a file.
pub async fn create(session: &Session, args: &CreateArgs) -> Result<Exit, Error> {
    let mut body = serde_json::json!({ "name": args.name, "scope": args.scope.as_str() });
    for (field, value) in [
        ("app", args.app.clone()),
        ("environment", args.environment.clone()),
        ("plan", args.plan.map(|plan| plan.as_str().to_owned())),
        ("expires_at", args.expires.map(Timestamp::to_seconds_string)),
    ] {
        if let Some(value) = value {
            body[field] = value.into();
        }
    }
    if let Some(rate) = args.rate {
        body["rate"] = rate.into();
        body["burst"] = args.burst.unwrap_or(rate).into();
    }
    let key = super::attend::key();
    let made = session
        .client
        .post::<NewToken>("/v1/tokens", &body, Some(&key))
        .await?;
    if session.json {
        session.output.print(&made.text)?;
        return Ok(Exit::Success);
    }
    let reach = reach(args.app.as_deref(), args.environment.as_deref());
    let until = args.expires.map_or(String::new(), |at| {
        format!(", until {}", at.to_seconds_string())
    });
    session.output.note(&format!(
        "token {} ({}, for {reach}{until}) is made. This is its secret; it is not kept and not shown again:",
        clean(&made.value.name),
        clean(&made.value.scope),
    ));
    session.output.print(made.value.token.expose())?;
    Ok(Exit::Success)
}

fn reach(app: Option<&str>, environment: Option<&str>) -> String {
    match (app, environment) {
        (Some(app), Some(environment)) => format!("{environment} of {app}"),
        (Some(app), None) => app.to_owned(),
        (None, _) => "all apps".to_owned(),
    }
}

/// Lists tokens.
pub async fn list(session: &Session, args: &ListArgs) -> Result<Exit, Error> {
    let filter = query(&[("all", args.all.then_some("true"))]);
    let tokens = session
        .client
        .get::<Tokens>(&format!("/v1/tokens{filter}"))
        .await?;
    let output = session.output;
    if session.json {
        output.print(&tokens.text)?;
        return Ok(Exit::Success);
    }
    if tokens.value.data.is_empty() {
        output.note("no tokens; `longshore token create NAME --scope read` makes one");
        return Ok(Exit::Success);
    }
    let to_a_person = output.is_terminal(Side::Stdout);
    let rows = tokens.value.data.iter();
    let rows = rows.map(|token| row(token, to_a_person)).collect();
    let header = ["ID", "NAME", "SCOPE", "FOR", "RATE", "USED", "ENDS", "BY"];
    let droppable = ["BY", "RATE", "USED", "FOR", "ENDS", "SCOPE"];
    output.print(&table::render(&header, rows, &droppable, output))?;
    Ok(Exit::Success)
}

fn row(token: &Token, to_a_person: bool) -> Vec<String> {
    let time = |text: &Option<String>| {
        text.as_deref()
            .and_then(moment::parse)
            .map(|at| moment::shown(at, to_a_person))
    };
    let rate = match (token.plan.as_deref(), token.rate) {
        (Some("custom") | None, Some(rate)) => format!("{rate}/min"),
        (Some(plan), _) => plan.to_owned(),
        (None, None) => String::new(),
    };
    let ends = match (&token.revoked_at, &token.expires_at) {
        (Some(_), _) => format!("revoked {}", time(&token.revoked_at).unwrap_or_default()),
        (None, Some(text)) => match moment::parse(text) {
            Some(at) if at.0 <= moment::now().0 => {
                format!("expired {}", moment::shown(at, to_a_person))
            }
            Some(_) if to_a_person => text.chars().take(10).collect(),
            Some(_) | None => text.clone(),
        },
        (None, None) => "never".to_owned(),
    };
    vec![
        token.id.clone(),
        token.name.clone(),
        token.scope.clone(),
        reach(token.app.as_deref(), token.environment.as_deref()),
        rate,
        time(&token.last_used_at).unwrap_or_else(|| "never".to_owned()),
        ends.trim_end().to_owned(),
        token.created_by.clone().unwrap_or_default(),
    ]
}

/// Revokes a token.
pub async fn revoke(session: &Session, args: &RevokeArgs) -> Result<Exit, Error> {
    let tokens = session.client.get::<Tokens>("/v1/tokens").await?.value.data;
    let by_id = tokens.iter().filter(|token| token.id == args.token);
    let by_name = tokens.iter().filter(|token| token.name == args.token);
    let found: Vec<&Token> = by_id.chain(by_name).collect();
    let token = match found[..] {
        [token] => token,
        [] => {
            let names = tokens.iter().map(|token| token.name.as_str());
            let near = super::suggest::nearest(&args.token, names);
            let next = near.map_or(
                "`longshore token ls` lists the tokens there are".to_owned(),
                |near| format!("did you mean {}?", clean(near)),
            );
            return Err(Error::refused(format!(
                "there is no token '{}' that holds\nnext: {next}",
                args.token
            )));
        }
        [..] => {
            let ids: Vec<&str> = found.iter().map(|token| token.id.as_str()).collect();
            return Err(Error::usage(format!(
                "{} tokens are named '{}'; name one by its id: {}",
                ids.len(),
                args.token,
                clean(&ids.join(", "))
            )));
        }
    };
    let path = format!("/v1/tokens/{}", encode(&token.id));
    session.client.delete_silently(&path).await?;
    session.output.print(&if session.json {
        serde_json::json!({ "id": token.id, "name": token.name, "revoked": true }).to_string()
    } else {
        format!("token {} is revoked", clean(&token.name))
    })?;
    Ok(Exit::Success)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_time_from_now_or_a_date_to_come() {
        let now = moment::now();
        let in_a_day = expiry("1d").unwrap();
        assert!((in_a_day.0 - now.0 - 86_400_000).abs() < 10_000);
        assert_eq!(
            expiry("2999-01-31").unwrap().to_seconds_string(),
            "2999-01-31T00:00:00Z"
        );
        assert_eq!(
            expiry("2999-01-31T12:30:00+01:00")
                .unwrap()
                .to_seconds_string(),
            "2999-01-31T11:30:00Z"
        );
        for (text, part) in [
            ("2001-01-01", "past"),
            ("0s", "past"),
            ("soon", "neither"),
            ("", "neither"),
            ("2027-13-01", "neither"),
        ] {
            let said = expiry(text).unwrap_err();
            assert!(said.contains(part), "{text}: {said}");
        }
    }
}
