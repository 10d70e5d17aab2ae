//! What went wrong outside, in the words of a deployment's failure: what happened and what to do next.

use crate::core::failure::{Failure, FailureCode};
use crate::core::ports::{EngineError, SourceError};
use crate::store::StoreError;
use std::path::Path;

/// A checkout that failed.
pub(super) fn checkout(
    error: &SourceError,
    url: &str,
    data_dir: &Path,
    output: Vec<String>,
) -> Failure {
    if let SourceError::DiskFull { said, free } = error {
        return disk_full(data_dir, *free, &format!("; git said: {said}"), output);
    }
    let next = match error {
        SourceError::AccessDenied(_) => {
            "Check the app's `credentials` and their right to read the repository, then deploy again."
        }
        SourceError::Unreachable(_) => {
            "Check that this host can reach the repository, then deploy again."
        }
        SourceError::NoSuchBranch(_)
        | SourceError::NoSuchCommit(_)
        | SourceError::AmbiguousCommit(_)
        | SourceError::NotOnBranch { .. } => {
            "The branch was changed after the deployment was created; deploy again."
        }
        SourceError::NoSuchRef(_) | SourceError::Empty => {
            "What was named was taken out of the repository after the deployment was created; deploy again."
        }
        SourceError::NoSuchTag(_) | SourceError::NotInTag { .. } => {
            "The tag was moved or deleted after the deployment was created; deploy again."
        }
        SourceError::DiskFull { .. } | SourceError::Failed(_) => {
            "Read the lines above; when the cause is mended, deploy again."
        }
    };
    Failure {
        code: FailureCode::CheckoutFailed,
        message: format!("{url}: {error}"),
        output,
        next: next.into(),
    }
}

/// The disk of data_dir is full.
pub(super) fn disk_full(data_dir: &Path, free: u64, said: &str, output: Vec<String>) -> Failure {
    let full = StoreError::DiskFull {
        data_dir: data_dir.to_owned(),
        free,
    };
    Failure {
        code: FailureCode::DiskFull,
        message: format!("{full}{said}"),
        output,
        next: make_space(data_dir),
    }
}

/// What to do when it is.
pub(super) fn make_space(data_dir: &Path) -> String {
    format!(
        "Free space on the disk of {dir} (`df -h {dir}` shows it, `longshore gc --explain` what longshore itself can give \
         back), then try again.",
        dir = data_dir.display()
    )
}

/// The engine's own disk is full; its words tell, no code does.
fn engine_disk_full(error: &EngineError, output: &[String]) -> Option<Failure> {
    let message = error.to_string();
    message.contains("no space left on device").then(|| Failure {
        code: FailureCode::DiskFull,
        message: format!("the disk of the Docker engine is full: {message}"),
        output: output.to_vec(),
        next: "Free space on the engine's disk (`docker system df` shows what takes it, `longshore gc --explain` what \
               longshore itself can give back), then try again."
            .into(),
    })
}

/// A build that failed.
pub(super) fn build(error: EngineError, output: Vec<String>) -> Failure {
    if let Some(full) = engine_disk_full(&error, &output) {
        return full;
    }
    let message = error.to_string();
    let (code, next) = match error {
        EngineError::NoDockerfile { .. } => (
            FailureCode::DockerfileMissing,
            "Commit a Dockerfile there, or set the app's `dockerfile` (and `context`) to where it is, and deploy again.",
        ),
        EngineError::NoContext(_) => (
            FailureCode::DockerfileMissing,
            "Set the app's `context` to a directory of the repository and deploy again.",
        ),
        EngineError::BuildFailed(_) => (
            FailureCode::BuildFailed,
            "Mend the failing instruction, commit and deploy again; the log has the whole output.",
        ),
        EngineError::PullDenied(_) | EngineError::NotFound(_) => (
            FailureCode::BuildFailed,
            "Check the base image's name, and docker.registries for a private one, then deploy again.",
        ),
        EngineError::Refused(_) | EngineError::Unavailable(_) => (
            FailureCode::EngineRefused,
            "Read the engine's own words above, mend the cause and deploy again.",
        ),
    };
    Failure {
        code,
        message,
        output,
        next: next.into(),
    }
}

/// A pull that failed.
pub(super) fn pull(error: EngineError, image: &str, output: Vec<String>) -> Failure {
    if let Some(full) = engine_disk_full(&error, &output) {
        return full;
    }
    Failure {
        code: FailureCode::PullFailed,
        message: format!("{image} could not be pulled: {error}"),
        output,
        next: "Check the image's name and tag, and docker.registries for a private one; for an image that is only on this \
               host set pull = \"missing\"."
            .into(),
    }
}

/// The engine would not make or start the container.
pub(super) fn engine(doing: &str, error: EngineError) -> Failure {
    if let Some(full) = engine_disk_full(&error, &[]) {
        return full;
    }
    let message = format!("the engine refused to {doing}: {error}");
    let next = match error {
        EngineError::Refused(text)
            if text.contains("address already in use")
                || text.contains("port is already allocated") =>
        {
            "Another program holds the published host port: stop it, or change the app's `publish`, and deploy again."
        }
        EngineError::NotFound(_) => {
            "Something the container needs is missing: look at the name in the message, then deploy again."
        }
        EngineError::Refused(_)
        | EngineError::Unavailable(_)
        | EngineError::NoDockerfile { .. }
        | EngineError::NoContext(_)
        | EngineError::BuildFailed(_)
        | EngineError::PullDenied(_) => {
            "Mend what the engine names (command, entrypoint, volume, limit, port) and deploy again."
        }
    };
    Failure {
        code: FailureCode::EngineRefused,
        message,
        output: Vec::new(),
        next: next.into(),
    }
}

/// longshore's own fault.
pub(super) fn internal(message: impl Into<String>) -> Failure {
    Failure {
        code: FailureCode::Internal,
        message: message.into(),
        output: Vec::new(),
        next: "This is a fault of longshore: its own log has more; deploying again may help."
            .into(),
    }
}
