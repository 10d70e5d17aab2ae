//! What an error of bollard means: the one place that decides between "nothing is known" and "it said no".

use crate::core::ports::EngineError;
use bollard::errors::Error;
use std::error::Error as StdError;
use std::io;

/// What the engine's error means for a call that is not about a registry.
///
/// `host` is the engine's address as the configuration spells it; an error without an answer names it and says
/// what to do.
pub fn explain(error: &Error, host: &str) -> EngineError {
    match error {
        Error::DockerResponseServerError {
            status_code,
            message,
        } => answered(*status_code, message),
        Error::DockerStreamError { error } if gave_up(error) => {
            EngineError::Unavailable(format!("it gave up in the middle: {error}"))
        }
        Error::DockerStreamError { error } => EngineError::Refused(error.clone()),
        Error::RequestTimeoutError => no_answer(host),
        Error::SocketNotFoundError(_) => missing(host),
        Error::JsonSerdeError { err } if err.is_eof() => cut(host),
        Error::JsonDataError { .. }
        | Error::JsonSerdeError { .. }
        | Error::StrParseError { .. }
        | Error::APIVersionParseError {} => EngineError::Refused(format!(
            "the answer of the Docker engine at {host} could not be understood: {error}"
        )),
        Error::IOError { .. }
        | Error::HyperResponseError { .. }
        | Error::HyperLegacyError { .. } => unreachable_engine(error, host),
        // What is left are faults in making a request, before anything was sent.
        _ => EngineError::Refused(error.to_string()),
    }
}

/// What a status code with the engine's words means.
fn answered(status: u16, message: &str) -> EngineError {
    match status {
        404 => EngineError::NotFound(message.to_owned()),
        503 => EngineError::Unavailable(message.to_owned()),
        _ if gave_up(message) => EngineError::Unavailable(message.to_owned()),
        _ => EngineError::Refused(message.to_owned()),
    }
}

/// Whether these words are those of an engine that is going down, or that lost its containerd. A build that we
/// cancel ourselves has nobody left to read them.
fn gave_up(message: &str) -> bool {
    [
        "context canceled",
        "no active session",
        "transport is closing",
        "containerd.sock",
        "server is shutting down",
    ]
    .iter()
    .any(|words| message.contains(words))
}

/// The error of a call that got no answer in time.
pub fn no_answer(host: &str) -> EngineError {
    EngineError::Unavailable(format!(
        "{host} did not answer in time; look at the engine's own log"
    ))
}

/// The error of a socket that does not exist.
pub fn missing(host: &str) -> EngineError {
    EngineError::Unavailable(format!(
        "{host} does not exist; start Docker, or set docker.host to where it listens"
    ))
}

/// The error of a socket that we may not use.
pub fn forbidden(host: &str) -> EngineError {
    EngineError::Unavailable(format!(
        "permission denied on {host}; add the user longshore runs as to the group docker and restart longshore"
    ))
}

fn cut(host: &str) -> EngineError {
    EngineError::Unavailable(format!("{host} went away in the middle of an answer"))
}

fn unreachable_engine(error: &Error, host: &str) -> EngineError {
    match io_error(error) {
        Some(err) if err.kind() == io::ErrorKind::PermissionDenied => forbidden(host),
        Some(err) if err.kind() == io::ErrorKind::NotFound => missing(host),
        Some(err) if err.kind() == io::ErrorKind::ConnectionRefused => {
            EngineError::Unavailable(format!(
                "nobody listens on {host}; start Docker, or set docker.host to where it listens"
            ))
        }
        Some(err) if err.to_string().contains("error reading a body") => cut(host),
        Some(err) => EngineError::Unavailable(format!("{host}: {err}")),
        None => EngineError::Unavailable(format!("{host}: {}", innermost(error))),
    }
}

/// The operating system's error at the bottom, if there is one.
fn io_error(error: &Error) -> Option<&io::Error> {
    let mut found = None;
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            found = Some(error);
        }
        next = error.source();
    }
    // bollard shows its `IOError` transparently: its source is the source of the error within, not that error.
    match (found, error) {
        (None, Error::IOError { err }) => Some(err),
        (found, _) => found,
    }
}

/// The last cause of an error: hyper's own texts say only which layer failed.
fn innermost(error: &Error) -> String {
    let mut error: &dyn StdError = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// What the error of a pull means: what the registry says comes as any status and as an error inside the stream.
pub fn explain_pull(error: &Error, host: &str) -> EngineError {
    let said = match error {
        Error::DockerResponseServerError { message, .. } => message,
        Error::DockerStreamError { error } => error,
        _ => return explain(error, host),
    };
    if registry_refused(said) {
        EngineError::PullDenied(said.clone())
    } else {
        explain(error, host)
    }
}

/// Whether these are a registry's words for "not there, or not for you". There is no code to go by.
fn registry_refused(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    [
        "denied",
        "no basic auth credentials",
        "unauthorized",
        "authentication required",
        "incorrect username or password",
        "manifest unknown",
        "no matching manifest",
        "name unknown",
        "not found",
        "does not exist",
    ]
    .iter()
    .any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status_code: u16, message: &str) -> Error {
        Error::DockerResponseServerError {
            status_code,
            message: message.to_owned(),
        }
    }

    #[test]
    fn an_answer_is_never_taken_for_a_lost_engine() {
        for (status, message, expected) in [
            (
                404,
                "No such container: x",
                EngineError::NotFound("No such container: x".to_owned()),
            ),
            (
                409,
                "name in use",
                EngineError::Refused("name in use".to_owned()),
            ),
            (
                500,
                "disk full",
                EngineError::Refused("disk full".to_owned()),
            ),
        ] {
            assert_eq!(explain(&answer(status, message), "unix:///s"), expected);
        }
    }

    #[test]
    fn no_answer_says_nothing_of_the_effect_and_names_the_host() {
        let lost = io::Error::other("error reading a body from connection");
        for error in [
            Error::RequestTimeoutError,
            Error::SocketNotFoundError("/s".to_owned()),
            Error::IOError { err: lost },
            Error::IOError {
                err: io::ErrorKind::PermissionDenied.into(),
            },
            Error::IOError {
                err: io::ErrorKind::ConnectionRefused.into(),
            },
        ] {
            let text = match explain(&error, "unix:///s") {
                EngineError::Unavailable(text) => text,
                other => panic!("{error:?} became {other:?}"),
            };
            assert!(text.contains("unix:///s"), "{text}");
        }
        let denied = Error::IOError {
            err: io::ErrorKind::PermissionDenied.into(),
        };
        assert!(
            explain(&denied, "unix:///s")
                .to_string()
                .contains("group docker")
        );
        assert!(matches!(
            explain(&answer(503, "down"), "h"),
            EngineError::Unavailable(_)
        ));
        let going_down = Error::DockerStreamError {
            error: "failed to solve: context canceled".to_owned(),
        };
        assert!(matches!(
            explain(&going_down, "h"),
            EngineError::Unavailable(_)
        ));
    }

    #[test]
    fn a_registrys_no_is_told_from_an_engines_no() {
        for message in [
            "Get https://r/v2/: no basic auth credentials",
            "pull access denied for x, repository does not exist or may require 'docker login'",
            "manifest for r/x:1 not found: manifest unknown: manifest unknown",
            "unauthorized: authentication required",
        ] {
            let found = explain_pull(&answer(500, message), "h");
            assert_eq!(found, EngineError::PullDenied(message.to_owned()));
        }
        let found = explain_pull(
            &answer(500, "dial tcp 127.0.0.1:1: connect: connection refused"),
            "h",
        );
        assert!(matches!(found, EngineError::Refused(_)));
    }
}
