//! What of the world is to be live when the database is older than it: which environment a container belongs to, and
//! which container of each was committed and runs.

use super::container::WEB;
use super::id::EnvironmentSerial;
use super::name::{AppName, EnvironmentName};
use super::ports::{ContainerState, RestartPolicy, Seen};
use std::collections::BTreeMap;
use uuid::Uuid;

/// What an adoption did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adopted {
    /// What is live now, or is being brought up.
    pub live: Vec<LiveAgain>,
    /// The deployments that were unfinished in the backup and are given up.
    pub failed: Vec<Uuid>,
    /// The containers that are being removed.
    pub removed: Vec<String>,
    /// The containers that nothing is known of; they are left alone.
    pub unknown: Vec<Unknown>,
}

/// An environment with what is live in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveAgain {
    /// The app.
    pub app: AppName,
    /// The environment.
    pub environment: EnvironmentName,
    /// The number of the release.
    pub release: i64,
    /// The deployment that made it live.
    pub deployment: Uuid,
    /// The container.
    pub container: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// Why a release is live after an adoption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It ran, and the database did not know it.
    Adopted,
    /// It ran, and is what the database says.
    Unchanged,
    /// The database says it; it is brought up as the environment is meant to be.
    Database,
}

impl Origin {
    /// The word that is shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Adopted => "adopted",
            Self::Unchanged => "unchanged",
            Self::Database => "database",
        }
    }
}

/// A container that is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// Its name.
    pub container: String,
    /// Why.
    pub why: String,
}

/// An environment as adoption looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its serial.
    pub environment: EnvironmentSerial,
    /// Its app's name.
    pub app: AppName,
    /// Its name.
    pub name: EnvironmentName,
    /// What its containers are named after.
    pub slug: String,
    /// Whether nothing was ever deployed to it: then it may stand for one of that name that the backup did not have.
    pub is_blank: bool,
}

/// A container with the environment it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed<'a> {
    /// The container.
    pub seen: &'a Seen,
    /// The environment, and what that environment's things were named after when the container was made.
    pub home: Option<(EnvironmentSerial, String)>,
}

/// Finds each container's environment: by its name, which the environment's own begins; else, for one that was made
/// after the backup, by the names it carries.
#[must_use]
pub fn place<'a>(environments: &[Candidate], seen: &'a [Seen]) -> Vec<Placed<'a>> {
    let home = |one: &Seen| {
        let slug = slug_of(&one.name)?;
        if let Some(found) = environments.iter().find(|candidate| candidate.slug == slug) {
            return Some((found.environment, slug.to_owned()));
        }
        let labels = one.labels.as_ref()?;
        let carries = |candidate: &&Candidate| {
            candidate.is_blank
                && candidate.app.as_str() == labels.app
                && candidate.name.as_str() == labels.environment
        };
        let found = environments.iter().find(carries)?;
        Some((found.environment, slug.to_owned()))
    };
    seen.iter()
        .map(|one| Placed {
            seen: one,
            home: home(one),
        })
        .collect()
}

/// `<slug>-<deployment's serial>-<attempt>`: the slug.
fn slug_of(container: &str) -> Option<&str> {
    let (rest, attempt) = container.rsplit_once('-')?;
    let (slug, serial) = rest.rsplit_once('-')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    (is_number(attempt) && is_number(serial)).then_some(slug)
}

/// Whether it runs and was committed.
#[must_use]
pub fn is_committed(one: &Placed<'_>) -> bool {
    let runs = matches!(one.seen.state, ContainerState::Running { .. });
    runs && one.seen.restart == RestartPolicy::UnlessStopped
}

/// Of each environment the container that is to serve, because it does: it runs and was committed; of several the one of
/// the highest generation, then of the newest deployment.
#[must_use]
pub fn committed<'a>(placed: &[Placed<'a>]) -> BTreeMap<EnvironmentSerial, Placed<'a>> {
    let mut found: BTreeMap<EnvironmentSerial, Placed<'a>> = BTreeMap::new();
    let age = |placed: &Placed<'_>| {
        let labels = placed.seen.labels.as_ref();
        labels.map(|labels| (labels.generation, labels.serial, placed.seen.name.clone()))
    };
    for one in placed {
        let Some((environment, _)) = one.home.as_ref().filter(|_| is_committed(one)) else {
            continue;
        };
        let labels = one.seen.labels.as_ref();
        if labels.is_none_or(|labels| labels.role != WEB) {
            continue;
        }
        if found
            .get(environment)
            .is_none_or(|other| age(other) < age(one))
        {
            found.insert(*environment, one.clone());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ports::Labels;

    fn seen(name: &str, serial: i64, generation: i64, restart: RestartPolicy) -> Seen {
        Seen {
            name: name.into(),
            labels: Some(Labels {
                app: "web".into(),
                environment: "production".into(),
                deployment: Uuid::nil(),
                serial,
                generation,
                role: "web".into(),
            }),
            state: ContainerState::Running { health: None },
            image: "sha256:1".into(),
            address: None,
            restart,
        }
    }

    #[test]
    fn a_container_belongs_where_its_name_says_and_to_a_blank_environment_of_its_names() {
        let candidate = |serial, slug: &str, is_blank| Candidate {
            environment: EnvironmentSerial(serial),
            app: AppName::parse("web").unwrap(),
            name: EnvironmentName::parse("production").unwrap(),
            slug: slug.into(),
            is_blank,
        };
        let here = "web-production-0000000a";
        let all = [
            seen("web-production-0000000a-7-2", 7, 1, RestartPolicy::No),
            seen("web-production-0000000b-8-1", 8, 1, RestartPolicy::No),
            seen("web-production", 8, 1, RestartPolicy::No),
        ];
        for (is_blank, second) in [
            (false, None),
            (
                true,
                Some((EnvironmentSerial(1), "web-production-0000000b".to_owned())),
            ),
        ] {
            let placed = place(&[candidate(1, here, is_blank)], &all);
            let homes: Vec<_> = placed.into_iter().map(|placed| placed.home).collect();
            let first = Some((EnvironmentSerial(1), here.to_owned()));
            assert_eq!(homes, [first, second, None]);
        }
    }

    #[test]
    fn what_runs_and_was_committed_is_adopted_and_of_several_the_newest() {
        use RestartPolicy::{No, UnlessStopped};
        let mut ended = seen("e-9-1", 9, 9, UnlessStopped);
        ended.state = ContainerState::Created;
        let all = [
            seen("e-1-1", 1, 1, UnlessStopped),
            seen("e-3-1", 3, 2, UnlessStopped),
            seen("e-2-1", 2, 2, UnlessStopped),
            seen("e-8-1", 8, 8, No),
            ended,
        ];
        let home = Some((EnvironmentSerial(1), "e".to_owned()));
        let placed: Vec<_> = all
            .iter()
            .map(|seen| Placed {
                seen,
                home: home.clone(),
            })
            .collect();
        let found = committed(&placed);
        assert_eq!(found[&EnvironmentSerial(1)].seen.name, "e-3-1");
    }
}
