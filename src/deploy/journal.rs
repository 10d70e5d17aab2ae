//! A deployment's log as the walk writes it: every line is redacted where it enters, and the last lines of output are
//! kept at hand for the error that may follow.

use super::Agent;
use crate::core::deployment::{Deployment, Step};
use crate::core::failure::Failure;
use crate::core::log::Stream;
use crate::core::name::ProjectPath;
use crate::core::ports::{Clock, Progress, Remote, RemoteCredentials, Work};
use crate::core::redact::Redactor;
use crate::core::secret::Secret;
use crate::core::spec::{GitCredentials, Repository, SourceSpec, Spec};
use crate::store::{DeploymentLog, Place, SecretError, StoreError};
use futures_util::StreamExt as _;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How many lines of output an error shows.
pub(super) const LAST_LINES: usize = 20;

pub(super) struct Journal {
    /// None for what belongs to no deployment.
    log: Option<DeploymentLog>,
    hidden: Mutex<Hidden>,
    clock: Arc<dyn Clock>,
    last: Mutex<VecDeque<String>>,
    printed: AtomicU64,
}

/// What must not be shown, and what takes it out.
struct Hidden {
    values: Vec<Secret>,
    redactor: Redactor,
}

impl Journal {
    /// From here on these values are hidden, too.
    pub(super) fn hide(&self, values: &[Secret]) {
        let mut hidden = self.hidden.lock().unwrap_or_else(PoisonError::into_inner);
        let before = hidden.values.len();
        for value in values {
            if !hidden.values.contains(value) {
                hidden.values.push(value.clone());
            }
        }
        if hidden.values.len() > before {
            hidden.redactor = Redactor::new(&hidden.values);
        }
    }

    /// A line of our own.
    pub(super) fn agent(&self, step: impl Into<Option<Step>>, text: &str) {
        self.write(step.into(), Stream::Agent, text.to_owned());
    }

    /// A line a program printed; gives it back as it may be shown.
    pub(super) fn output(
        &self,
        step: impl Into<Option<Step>>,
        stream: Stream,
        text: String,
    ) -> String {
        let text = self.write(step.into(), stream, text);
        self.printed.fetch_add(1, Ordering::Relaxed);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() == LAST_LINES {
            last.pop_front();
        }
        last.push_back(text.clone());
        text
    }

    /// How many lines programs printed: where it grew, something was at work.
    pub(super) fn printed(&self) -> u64 {
        self.printed.load(Ordering::Relaxed)
    }

    /// The last lines programs printed.
    pub(super) fn last_lines(&self) -> Vec<String> {
        self.last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }

    /// From here on only what is printed now counts as the last lines.
    pub(super) fn forget_last_lines(&self) {
        self.last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// An error's texts without secrets: the engine and git may quote what they were given.
    pub(super) fn redact(&self, failure: Failure) -> Failure {
        let redactor = self.redactor();
        let clear = |text| redactor.redact(text);
        Failure {
            code: failure.code,
            message: clear(failure.message),
            output: failure.output.into_iter().map(clear).collect(),
            next: clear(failure.next),
        }
    }

    /// Lines of long work go into the log; its result comes out.
    pub(super) async fn follow<T, E>(
        &self,
        step: Step,
        mut work: Work<'_, T, E>,
    ) -> Result<Option<T>, E> {
        while let Some(progress) = work.next().await {
            match progress? {
                Progress::Line(stream, text) => {
                    self.output(step, stream, text);
                }
                Progress::Done(result) => return Ok(Some(result)),
            }
        }
        Ok(None)
    }

    fn redactor(&self) -> Redactor {
        self.hidden
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .redactor
            .clone()
    }

    fn write(&self, step: Option<Step>, stream: Stream, text: String) -> String {
        let text = self.redactor().redact(text);
        // A log that cannot be written (a full disk) must not end a deployment that could succeed.
        if let Some(log) = &self.log
            && let Err(error) = log.append(self.clock.now(), step, stream, &text)
        {
            tracing::warn!(%error, "a line of a deployment's log is lost");
        }
        text
    }
}

/// The values of everything secret that a deployment touches.
pub(super) struct Secrets {
    pub(super) remote: Option<Remote>,
    pub(super) registries: Vec<crate::core::ports::RegistryCredential>,
    hidden: Vec<Secret>,
}

impl Agent {
    /// Opens a deployment's log with these values hidden.
    pub(super) fn journal(
        &self,
        deployment: uuid::Uuid,
        hidden: &[Secret],
    ) -> Result<Journal, StoreError> {
        Ok(Journal {
            log: Some(self.store.open_log(deployment)?),
            hidden: Mutex::new(Hidden {
                values: hidden.to_vec(),
                redactor: Redactor::new(hidden),
            }),
            clock: self.ports.clock.clone(),
            last: Mutex::new(VecDeque::new()),
            printed: AtomicU64::new(0),
        })
    }

    /// A journal that nobody reads.
    pub(super) fn no_journal(&self) -> Journal {
        Journal {
            log: None,
            hidden: Mutex::new(Hidden {
                values: Vec::new(),
                redactor: Redactor::default(),
            }),
            clock: self.ports.clock.clone(),
            last: Mutex::new(VecDeque::new()),
            printed: AtomicU64::new(0),
        }
    }

    /// Reads every secret the deployment will need, before any work: what is unreadable now will be later.
    pub(super) fn secrets(
        &self,
        place: &Place,
        spec: &Spec,
        deployment: &Deployment,
    ) -> Result<Secrets, SecretError> {
        let remote = match &spec.source {
            SourceSpec::Git(git) => Some(self.remote(&place.project, &git.repository)?),
            SourceSpec::Image(_) => None,
        };
        let registries = self.registry_credentials()?;
        let mut hidden = self
            .store
            .container_env(place, &spec.run, &deployment.request.variables)?
            .hidden;
        hidden.extend(registries.iter().map(|registry| registry.password.clone()));
        hidden.extend(
            remote
                .iter()
                .filter_map(|remote| remote.credentials.as_ref())
                .map(|credentials| match credentials {
                    RemoteCredentials::Token(secret) | RemoteCredentials::SshKey(secret) => {
                        secret.clone()
                    }
                }),
        );
        Ok(Secrets {
            remote,
            registries,
            hidden,
        })
    }

    /// A repository with the values of its credentials.
    pub(super) fn remote(
        &self,
        project: &ProjectPath,
        repository: &Repository,
    ) -> Result<Remote, SecretError> {
        let credentials = match &repository.credentials {
            Some(GitCredentials::Token(reference)) => {
                Some(RemoteCredentials::Token(self.store.secret(reference)?))
            }
            Some(GitCredentials::SshKey(reference)) => {
                Some(RemoteCredentials::SshKey(self.store.secret(reference)?))
            }
            None => None,
        };
        Ok(Remote {
            project: project.as_str().to_owned(),
            url: repository.url.clone(),
            credentials,
        })
    }
}

impl Secrets {
    pub(super) fn hidden(&self) -> &[Secret] {
        &self.hidden
    }
}
