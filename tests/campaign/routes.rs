//! What the ingress does, beside what the database and the book say it must do.

use crate::book::Expected;
use crate::harbour::Harbour;
use crate::rows::{Environment, Rows};
use crate::stage::{PLACES, Place};
use longshore::core::route::{Absence, Target};
use std::collections::BTreeMap;

/// Every difference: in the table that is held, its generation included, and in what a request for each domain gets.
pub async fn differences(
    harbour: &Harbour,
    instance: &str,
    rows: &Rows,
    environments: &[(Environment, Expected)],
) -> Vec<String> {
    let Some(table) = harbour.table().await else {
        return vec!["the ingress holds no table".to_owned()];
    };
    let mut wrong = Vec::new();
    let generation = rows.generation();
    if table.generation != generation || table.instance.to_string() != instance {
        wrong.push(format!(
            "the ingress holds {} of {}, not {generation} of {instance}",
            table.generation, table.instance
        ));
    }
    let held: BTreeMap<String, Target> = table
        .routes
        .iter()
        .map(|route| (route.domain.to_string(), route.target))
        .collect();
    let mut wanted = BTreeMap::new();
    for place in PLACES.into_iter().filter(|place| !place.is_job()) {
        let found = environments.iter().find(|(environment, expected)| {
            expected.removed.is_none()
                && (environment.app.as_str(), environment.name.as_str())
                    == (place.app, place.environment)
        });
        let target = found.map(|(environment, expected)| target(environment, expected));
        wanted.extend(target.map(|target| (place.domain(), target)));
        let expected = found.map(|(_, expected)| expected);
        wrong.extend(page(harbour, place, target, expected).await);
    }
    if held != wanted {
        wrong.push(format!("the ingress holds {held:?}, not {wanted:?}"));
    }
    wrong
}

fn target(environment: &Environment, expected: &Expected) -> Target {
    match (expected.desired, expected.live) {
        (Some("stopped"), _) => Target::Nobody(Absence::Stopped),
        (Some("suspended"), _) => Target::Nobody(Absence::Suspended),
        (_, None) => Target::Nobody(Absence::NotDeployed),
        (_, Some(_)) => {
            let address = environment.address.as_deref().unwrap_or_default();
            let address = address.parse().expect("what is live has an address");
            Target::Container(std::net::SocketAddrV4::new(address, 8080))
        }
    }
}

async fn page(
    harbour: &Harbour,
    place: Place,
    target: Option<Target>,
    expected: Option<&Expected>,
) -> Option<String> {
    let (status, code) = match target {
        None => (404, Some("no_route")),
        Some(Target::Nobody(Absence::Stopped)) => (503, Some("stopped")),
        Some(Target::Nobody(Absence::Suspended)) => (503, Some("suspended")),
        Some(Target::Nobody(Absence::NotDeployed)) => (503, Some("not_deployed")),
        Some(Target::Container(_)) if expected.is_some_and(|expected| expected.unsure) => {
            return None;
        }
        Some(Target::Container(_)) => (200, None),
        Some(Target::Api(_) | Target::Nobody(Absence::NoPort)) => unreachable!("not made above"),
    };
    let body = expected.and_then(|expected| expected.pages.get(&expected.live?));
    let got = harbour.get(place).await;
    let fits = got.as_ref().is_ok_and(|got| {
        got.status == status
            && got.error.as_deref() == code
            && (code.is_some() || Some(&got.body) == body)
    });
    (!fits).then(|| {
        format!(
            "{} answers {got:?}, not {status} {code:?} {body:?}",
            place.domain()
        )
    })
}
