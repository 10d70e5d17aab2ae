//! Was the database restored from a backup? Containers carry the serial of their deployment and the generation of their
//! time; every row is on disk before what it speaks of is made. So an engine or an ingress that knows more than the
//! database was not followed by it: the database is older than the world.

use super::container::{ContainerRole, RUN};
use super::ports::{RestartPolicy, Seen};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// What the database knows of what was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// How far it came.
    pub highest: Highest,
    /// The containers among those seen that it has rows of.
    pub containers: BTreeMap<String, ContainerRole>,
    /// Of the serials that were seen, those it has given out, each with the deployment's id.
    pub deployments: BTreeMap<i64, Uuid>,
    /// The deployments, by serial, that it takes to be before their commit.
    pub uncommitted: BTreeSet<i64>,
    /// Containers that an adoption left alone: that they are unknown is known.
    pub strays: BTreeSet<String>,
}

/// How far the numbers were counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Highest {
    /// The highest serial a deployment has.
    pub deployment: i64,
    /// The route table's generation.
    pub generation: i64,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The database knows of everything that was seen.
    Whole,
    /// It does not.
    Restored(Restored),
}

/// What the world knows more than the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// How far the database came.
    pub known: Highest,
    /// How far the world came.
    pub seen: Highest,
    /// What tells it; never empty.
    pub evidence: Vec<Evidence>,
}

/// One thing that the database would know if it were whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// A container was made for a deployment that was not accepted yet.
    Deployment {
        /// The container.
        container: String,
        /// The deployment's serial.
        serial: i64,
    },
    /// A container was made for another deployment than the one that has its serial in the database: that was accepted
    /// before anybody could look.
    Other {
        /// The container.
        container: String,
        /// The serial of both.
        serial: i64,
    },
    /// A container was made when the route table was newer.
    Generation {
        /// The container.
        container: String,
        /// The generation.
        generation: i64,
    },
    /// The ingress holds a newer table.
    Ingress {
        /// The generation.
        generation: i64,
    },
    /// A deployment has made a container that the database has no row of, although it takes it to be at work.
    Unknown {
        /// The container.
        container: String,
    },
    /// A run's container is there and the database has no row of it.
    Run {
        /// The container.
        container: String,
    },
    /// A container is to come back after a reboot, which only a commit decides, and the database knows of none.
    Committed {
        /// The container.
        container: String,
    },
}

/// Compares what was seen with what the database knows.
#[must_use]
pub fn judge(ledger: &Ledger, seen: &[Seen], ingress: Option<i64>) -> Verdict {
    let mut evidence: Vec<Evidence> = seen.iter().filter_map(|one| told_by(ledger, one)).collect();
    if let Some(generation) = ingress.filter(|held| *held > ledger.highest.generation) {
        evidence.push(Evidence::Ingress { generation });
    }
    if evidence.is_empty() {
        return Verdict::Whole;
    }
    let labels = || seen.iter().filter_map(|one| one.labels.as_ref());
    let generations = labels().map(|labels| labels.generation).chain(ingress);
    Verdict::Restored(Restored {
        known: ledger.highest,
        seen: Highest {
            deployment: labels().map(|labels| labels.serial).max().unwrap_or(0),
            generation: generations.max().unwrap_or(0),
        },
        evidence,
    })
}

fn told_by(ledger: &Ledger, one: &Seen) -> Option<Evidence> {
    let labels = one.labels.as_ref()?;
    let container = one.name.clone();
    if labels.serial > ledger.highest.deployment {
        let serial = labels.serial;
        return Some(Evidence::Deployment { container, serial });
    }
    if labels.generation > ledger.highest.generation {
        let generation = labels.generation;
        return Some(Evidence::Generation {
            container,
            generation,
        });
    }
    let is_unknown =
        !ledger.containers.contains_key(&one.name) && !ledger.strays.contains(&one.name);
    let namesake = ledger.deployments.get(&labels.serial);
    if is_unknown && namesake.is_some_and(|id| *id != labels.deployment) {
        let serial = labels.serial;
        return Some(Evidence::Other { container, serial });
    }
    let is_at_work = ledger.uncommitted.contains(&labels.serial);
    match (ledger.containers.get(&one.name), one.restart) {
        (None, _) if is_at_work && is_unknown => Some(Evidence::Unknown { container }),
        // Of a deployment that ended long ago: what is run of its release has a row before it is made, too.
        (None, RestartPolicy::No) if is_unknown && labels.role == RUN => {
            Some(Evidence::Run { container })
        }
        (
            Some(ContainerRole::Candidate | ContainerRole::Task | ContainerRole::Run),
            RestartPolicy::UnlessStopped,
        ) => Some(Evidence::Committed { container }),
        (None | Some(ContainerRole::Live | ContainerRole::Retired), _)
        | (
            Some(ContainerRole::Candidate | ContainerRole::Task | ContainerRole::Run),
            RestartPolicy::No,
        ) => None,
    }
}

impl std::fmt::Display for Restored {
    /// One sentence that names no app, for whoever may ask.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (known, seen) = (self.known, self.seen);
        f.write_str("the database was restored from a backup: ")?;
        if seen.deployment > known.deployment {
            write!(
                f,
                "deployment {} has made a container, and the database ends at deployment {}",
                seen.deployment, known.deployment
            )
        } else if seen.generation > known.generation {
            write!(
                f,
                "the route table has come to generation {}, and in the database only to {}",
                seen.generation, known.generation
            )
        } else {
            f.write_str("a deployment came further than the database says")
        }
    }
}

impl std::fmt::Display for Evidence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Deployment { container, serial } => write!(
                f,
                "container {container} was made for deployment {serial}, which is not in the database"
            ),
            Self::Other { container, serial } => write!(
                f,
                "container {container} was made for another deployment than the database's deployment {serial}"
            ),
            Self::Generation {
                container,
                generation,
            } => write!(
                f,
                "container {container} was made at generation {generation} of the route table, which the database has not reached"
            ),
            Self::Ingress { generation } => write!(
                f,
                "the ingress holds generation {generation} of the route table, which the database has not reached"
            ),
            Self::Unknown { container } => write!(
                f,
                "container {container} belongs to a deployment that is at work, and the database has no row of it"
            ),
            Self::Run { container } => write!(
                f,
                "container {container} runs a job's command, and the database has no row of it"
            ),
            Self::Committed { container } => write!(
                f,
                "container {container} was committed, and in the database its deployment is still at work"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ports::{ContainerState, Labels};

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

    fn of_a_run(one: Seen) -> Seen {
        let labels = one.labels.map(|labels| Labels {
            role: RUN.into(),
            ..labels
        });
        Seen { labels, ..one }
    }

    fn ledger() -> Ledger {
        Ledger {
            highest: Highest {
                deployment: 5,
                generation: 3,
            },
            containers: BTreeMap::from([
                ("live".into(), ContainerRole::Live),
                ("candidate".into(), ContainerRole::Candidate),
                ("retired".into(), ContainerRole::Retired),
                ("known-run".into(), ContainerRole::Run),
            ]),
            deployments: BTreeMap::from([(2, Uuid::from_u128(2)), (4, Uuid::nil())]),
            uncommitted: BTreeSet::from([5]),
            strays: BTreeSet::from(["stray".into()]),
        }
    }

    #[test]
    fn whatever_was_seen_that_a_whole_database_would_know_tells_a_restored_one() {
        use RestartPolicy::{No, UnlessStopped};
        let told = |text: &str| Some(text.to_owned());
        for (one, expected) in [
            (seen("live", 4, 2, UnlessStopped), None),
            (seen("candidate", 5, 3, No), None),
            // What is to be removed may still come back after a reboot until then.
            (seen("retired", 3, 1, UnlessStopped), None),
            // Somebody renamed it: that is no evidence, as its deployment has ended.
            (seen("renamed", 4, 2, UnlessStopped), None),
            (seen("stray", 5, 3, UnlessStopped), None),
            (seen("new", 6, 3, No), told("made for deployment 6")),
            (seen("live", 4, 4, No), told("at generation 4")),
            (seen("other", 5, 3, No), told("has no row of it")),
            (
                seen("other", 2, 1, No),
                told("another deployment than the database's deployment 2"),
            ),
            (seen("retired", 2, 1, No), None),
            (seen("stray", 2, 1, No), None),
            (
                of_a_run(seen("run", 4, 2, No)),
                told("runs a job's command"),
            ),
            (of_a_run(seen("stray", 4, 2, No)), None),
            (of_a_run(seen("known-run", 4, 2, No)), None),
            (
                seen("candidate", 5, 3, UnlessStopped),
                told("was committed"),
            ),
        ] {
            let verdict = judge(&ledger(), std::slice::from_ref(&one), Some(3));
            match (verdict, expected) {
                (Verdict::Whole, None) => {}
                (Verdict::Restored(restored), Some(expected)) => {
                    let said = restored.evidence[0].to_string();
                    assert!(said.contains(&expected), "{said}");
                }
                (verdict, expected) => panic!("{one:?}: {verdict:?}, not {expected:?}"),
            }
        }
        let stranger = Seen {
            labels: None,
            ..seen("x", 99, 99, No)
        };
        assert_eq!(judge(&ledger(), &[stranger], None), Verdict::Whole);
    }

    #[test]
    fn an_ingress_that_is_ahead_tells_it_and_the_sentence_names_what_is() {
        assert_eq!(judge(&ledger(), &[], Some(3)), Verdict::Whole);
        let Verdict::Restored(restored) = judge(&ledger(), &[], Some(9)) else {
            panic!("it is ahead");
        };
        assert_eq!(restored.seen.generation, 9);
        assert!(restored.to_string().contains("generation 9"), "{restored}");
    }
}
