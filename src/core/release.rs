//! Releases: the immutable results of deployments.

use super::container::WEB;
use super::id::{DeploymentSerial, EnvironmentSerial, ReleaseSerial};
use super::job::JobSpec;
use super::name::{ProcessName, Sha};
use super::process::ProcessSpec;
use super::spec::{Check, RunSpec};
use super::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::iter::once;

/// What a deployment made live: everything that is needed to run it again, save the secrets, which are named in it
/// and read when a container is made.
#[derive(Clone, Debug, PartialEq)]
pub struct Release {
    /// The row's serial.
    pub serial: ReleaseSerial,
    /// The environment it belongs to.
    pub environment: EnvironmentSerial,
    /// Its number within the environment, from 1.
    pub number: i64,
    /// The deployment that made it; the variables of that one deployment belong to the release too.
    pub deployment: DeploymentSerial,
    /// What runs.
    pub content: ReleaseContent,
    /// When it became live first.
    pub created_at: Timestamp,
}

/// What a release is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReleaseContent {
    /// The image.
    pub image: Image,
    /// The commit it was built from; none for a pulled image.
    pub sha: Option<Sha>,
    /// How its container runs.
    pub run: RunSpec,
    /// When its container counts as ready.
    pub check: Check,
    /// What runs beside that container.
    #[serde(default)]
    pub processes: BTreeMap<ProcessName, ProcessSpec>,
    /// What the deployment that made it brought for its containers, as JSON text.
    #[serde(default)]
    pub payload: Option<String>,
    /// What it runs and when, for a job; `None`: it is a service.
    #[serde(default)]
    pub job: Option<JobSpec>,
}

impl ReleaseContent {
    /// The names of what of it runs on, the one that serves first; of a job nothing.
    pub fn process_names(&self) -> impl Iterator<Item = &str> {
        let runs_on = self.job.is_none();
        let all = once(WEB).chain(self.processes.keys().map(ProcessName::as_str));
        all.filter(move |_| runs_on)
    }

    /// How one of its processes is run, and when that counts as ready; `None` if it has none of that name.
    #[must_use]
    pub fn process(&self, name: &str) -> Option<(Cow<'_, RunSpec>, &Check)> {
        if name == WEB {
            return Some((Cow::Borrowed(&self.run), &self.check));
        }
        let (_, process) = self
            .processes
            .iter()
            .find(|(own, _)| own.as_str() == name)?;
        Some((Cow::Owned(process.run(&self.run)), &process.check))
    }
}

/// An image on the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// The engine's id of it, `sha256:…`.
    pub id: String,
    /// The registry's digest (`repository@sha256:…`), by which it can be pulled again; a built image has none.
    pub digest: Option<String>,
    /// What it was called when it was pulled, or our own tag for a built one.
    pub reference: String,
}

/// The tag a built image has until its deployment commits.
#[must_use]
pub fn candidate_tag(slug: &str, deployment: DeploymentSerial) -> String {
    format!("longshore/{slug}:candidate-{deployment}")
}

/// Whether a tag is one that [`candidate_tag`] gives.
#[must_use]
pub fn is_candidate_tag(tag: &str) -> bool {
    let tag = tag
        .strip_prefix("longshore/")
        .and_then(|tag| tag.split_once(":candidate-"));
    tag.is_some_and(|(_, serial)| serial.parse::<i64>().is_ok())
}

/// The tag that keeps a release's image on the host.
#[must_use]
pub fn release_tag(slug: &str, number: i64) -> String {
    format!("longshore/{slug}:{number}")
}
