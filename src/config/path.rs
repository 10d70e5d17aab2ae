//! Paths: on the host, in a repository's tree, in a container. They come out without `.` parts and doubled slashes, so
//! that equal paths are equal texts. Each function's error is read after the key's path.

use std::path::PathBuf;

/// What the kernel takes for a path.
const LONGEST: usize = 4095;
/// What the kernel takes for a unix socket's path, without the final NUL.
const LONGEST_SOCKET: usize = 107;

/// An absolute path of the host.
pub(super) fn absolute(text: &str) -> Result<PathBuf, String> {
    if !text.starts_with('/') {
        return Err(format!("must be an absolute path, not {text:?}"));
    }
    Ok(PathBuf::from(format!("/{}", clean(text)?)))
}

/// Where everything is kept: not the root itself.
pub(super) fn data_dir(text: &str) -> Result<PathBuf, String> {
    let path = absolute(text)?;
    if path.parent().is_none() {
        return Err("must be a directory of its own, not \"/\"".to_owned());
    }
    Ok(path)
}

/// A unix socket's path.
pub(super) fn socket(text: &str) -> Result<PathBuf, String> {
    let path = data_dir(text)?;
    if path.as_os_str().len() > LONGEST_SOCKET {
        return Err(format!(
            "must be at most {LONGEST_SOCKET} bytes long, the most a unix socket can have"
        ));
    }
    Ok(path)
}

/// A mount's place in a container.
pub(super) fn target(text: &str) -> Result<String, String> {
    if !text.starts_with('/') {
        return Err(format!("must be mounted at an absolute path, not {text:?}"));
    }
    match clean(text)?.as_str() {
        "" => {
            Err("cannot be mounted at \"/\": that is the container's whole file system".to_owned())
        }
        path => Ok(format!("/{path}")),
    }
}

/// A path that stays inside a repository's tree; `.` is its root.
pub(super) fn inside(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("must not be empty".to_owned());
    }
    if text.starts_with(['/', '-']) {
        return Err(format!(
            "must be a path inside the repository that begins with neither '/' nor '-', not {text:?}"
        ));
    }
    match clean(text)? {
        path if path.is_empty() => Ok(".".to_owned()),
        path => Ok(path),
    }
}

/// A file inside a repository's tree.
pub(super) fn file_inside(text: &str) -> Result<String, String> {
    match inside(text)? {
        path if path == "." || text.ends_with('/') => {
            Err(format!("must be a file, not the directory {text:?}"))
        }
        path => Ok(path),
    }
}

fn clean(text: &str) -> Result<String, String> {
    if text.len() > LONGEST {
        return Err(format!("must be at most {LONGEST} bytes long"));
    }
    if text.contains(char::is_control) {
        return Err(format!(
            "must not hold control characters, as {text:?} does"
        ));
    }
    let parts: Vec<&str> = text
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    if parts.contains(&"..") {
        return Err(format!("must not hold \"..\", as {text:?} does"));
    }
    Ok(parts.join("/"))
}
