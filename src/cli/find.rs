//! From what a user types to a deployment: a whole id, or the beginning of one.

use super::Session;
use super::client::Document;
use super::document::{Deployment, Page, query};
use super::exit::Error;

/// How far back the beginning of an id is looked for: the largest page the API gives.
const NEWEST: &str = "100";

/// The deployment of that id, or the only one of the newest 100 whose id begins so.
pub async fn deployment(session: &Session, typed: &str) -> Result<Document<Deployment>, Error> {
    let client = &session.client;
    let missing = match client.deployment(typed).await {
        Err(error) if error.is_not_found() => error,
        answer => return Ok(answer?),
    };
    let path = format!("/v1/deployments{}", query(&[("limit", Some(NEWEST))]));
    let page = client.get::<Page>(&path).await?.value;
    let ids: Vec<&str> = page
        .data
        .iter()
        .map(|deployment| deployment.id.as_str())
        .collect();
    match matching(typed, &ids)[..] {
        [] => Err(missing.into()),
        [id] => Ok(client.deployment(id).await?),
        [first, second, ..] => Err(Error::usage(format!(
            "'{typed}' is the beginning of several deployments' ids ({first}, {second}, …); type more of it"
        ))),
    }
}

/// The newest deployment of an app that was executed here, among the newest 100 of all: of others there is no log.
pub async fn newest_of(
    session: &Session,
    app: &str,
    environment: Option<&str>,
) -> Result<Deployment, Error> {
    let filter = query(&[
        ("limit", Some(NEWEST)),
        ("project_id", Some(app)),
        ("environment", environment),
    ]);
    let page = session
        .client
        .get::<Page>(&format!("/v1/deployments{filter}"))
        .await?;
    let all = page.value.data;
    let others = all.len();
    let mut executed = all.into_iter().filter(|deployment| !deployment.recorded);
    executed.next().ok_or_else(|| {
        Error::refused(if others == 0 {
            format!("'{app}' has no deployments yet; `longshore deploy {app}` makes the first")
        } else {
            let looked_at = match others {
                1 => "1 was".to_owned(),
                many => format!("{many} were"),
            };
            format!(
                "the newest deployments of '{app}' ({looked_at} looked at) were executed elsewhere and only recorded here: they have no log"
            )
        })
    })
}

/// Whether it is a deployment's id or the beginning of one; an app's name has no underscore.
pub fn is_id(typed: &str) -> bool {
    typed.starts_with("dep_")
}

fn matching<'a>(typed: &str, ids: &[&'a str]) -> Vec<&'a str> {
    let bare = typed.strip_prefix("dep_").unwrap_or(typed);
    if bare.is_empty() {
        return Vec::new();
    }
    ids.iter()
        .copied()
        .filter(|id| {
            id.strip_prefix("dep_")
                .is_some_and(|rest| rest.starts_with(bare))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_an_id_finds_what_begins_so_with_and_without_its_prefix() {
        let ids = ["dep_9x2m4p", "dep_9x2zzz", "dep_aaaa11"];
        assert_eq!(matching("dep_9x2m", &ids), ["dep_9x2m4p"]);
        assert_eq!(matching("aaaa", &ids), ["dep_aaaa11"]);
        assert_eq!(matching("dep_9x2", &ids), ["dep_9x2m4p", "dep_9x2zzz"]);
        for nothing in ["", "dep_", "dep_b", "x2m4p"] {
            assert!(matching(nothing, &ids).is_empty(), "{nothing}");
        }
    }
}
