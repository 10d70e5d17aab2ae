//! A deployment's log as the walk writes it: every line is redacted where it enters, and the last lines of output are
//! kept at hand for the error that may follow.

use super::Agent;
use crate::core::deployment::{Deployment, Step};
use crate::core::failure::{Failure, FailureCode};
use crate::core::log::Stream;
use crate::core::ports::{Clock, Progress, Remote, RemoteCredentials, Work};
use crate::core::redact::Redactor;
use crate::core::secret::Secret;
use crate::core::spec::{GitCredentials, Repository, SourceSpec, Spec};
use crate::store::{DeploymentLog, Place, SecretError, StoreError};
use futures_util::StreamExt as _;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// How many lines of output an error shows.
const LAST_LINES: usize = 20;

pub(super) struct Journal {
    /// None for what belongs to no deployment.
    log: Option<DeploymentLog>,
    redactor: Redactor,
    clock: Arc<dyn Clock>,
    last: Mutex<VecDeque<String>>,
}

impl Journal {
    /// A line of our own.
    pub(super) fn agent(&self, step: impl Into<Option<Step>>, text: &str) {
        self.write(step.into(), Stream::Agent, text.to_owned());
    }

    /// A line a program printed.
    pub(super) fn output(&self, step: impl Into<Option<Step>>, stream: Stream, text: String) {
        let text = self.write(step.into(), stream, text);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() == LAST_LINES {
            last.pop_front();
        }
        last.push_back(text);
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
        Failure {
            message: self.redactor.redact(failure.message),
            next: self.redactor.redact(failure.next),
            ..failure
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
                Progress::Line(stream, text) => self.output(step, stream, text),
                Progress::Done(result) => return Ok(Some(result)),
            }
        }
        Ok(None)
    }

    fn write(&self, step: Option<Step>, stream: Stream, text: String) -> String {
        let text = self.redactor.redact(text);
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
            redactor: Redactor::new(hidden),
            clock: self.ports.clock.clone(),
            last: Mutex::new(VecDeque::new()),
        })
    }

    /// A journal that nobody reads.
    pub(super) fn no_journal(&self) -> Journal {
        Journal {
            log: None,
            redactor: Redactor::new(&[]),
            clock: self.ports.clock.clone(),
            last: Mutex::new(VecDeque::new()),
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
            SourceSpec::Git(git) => Some(self.remote(place, &git.repository)?),
            SourceSpec::Image(_) => None,
        };
        let registries = self.registry_credentials()?;
        let mut hidden = self
            .store
            .container_env(&spec.run, &deployment.request.variables)?
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
        place: &Place,
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
            project: place.project.as_str().to_owned(),
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

/// A secret that cannot be read, as a deployment's failure.
pub(super) fn unreadable(error: &SecretError) -> Failure {
    Failure {
        code: FailureCode::SecretUnreadable,
        message: error.to_string(),
        output: Vec::new(),
        next: "Put the file in place, readable by the user longshore runs as, and deploy again."
            .into(),
    }
}
