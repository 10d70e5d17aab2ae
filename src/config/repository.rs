//! Git remotes: which are taken, how they are reached, and which project they suggest.

use super::url::{has_strange_characters, is_host, split};
use crate::core::name::ProjectPath;

/// How a remote is reached, which decides what can prove the right to read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// `https://` and `http://`: a token.
    Http,
    /// `ssh://` and `user@host:path`: a key.
    Ssh,
    /// `git://`, `file://`, a path: nothing.
    Open,
}

/// A remote that was checked.
#[derive(Clone, Debug)]
pub(super) struct Remote {
    pub url: String,
    pub transport: Transport,
}

const FORMS: &str =
    "write a URL (https, http, ssh, git, file), user@host:path, or an absolute path";
const NO_CREDENTIALS: &str = "holds a user name or password, which would end up in logs and on disk; take it out and set credentials = { token = \"file:/path\" }";

/// Reads one. What may hold a password is never repeated.
pub(super) fn parse(text: &str) -> Result<Remote, String> {
    let transport = transport(text)?;
    Ok(Remote {
        url: text.to_owned(),
        transport,
    })
}

fn transport(text: &str) -> Result<Transport, String> {
    if text.is_empty() {
        return Err(format!("must not be empty: {FORMS}"));
    }
    if text.starts_with('-') {
        return Err(format!("must not begin with a dash: {FORMS}"));
    }
    if has_strange_characters(text) {
        return Err(
            "must not hold spaces or control characters, nor be longer than 2048 bytes".to_owned(),
        );
    }
    if text.starts_with('/') {
        return Ok(Transport::Open);
    }
    if split(text).is_some() {
        return by_url(text);
    }
    if text.contains("::") {
        return Err(format!(
            "names a git remote helper, which could run any program: {FORMS}"
        ));
    }
    by_scp_form(text)
}

fn by_url(text: &str) -> Result<Transport, String> {
    let Some(url) = split(text) else {
        return Err(format!("is not a URL: {FORMS}"));
    };
    let has_path = url.path.len() > 1 && url.path.starts_with('/');
    let transport = match (url.scheme, url.user) {
        ("https" | "http", None) => Transport::Http,
        ("https" | "http" | "git" | "file", Some(_)) => return Err(NO_CREDENTIALS.to_owned()),
        ("ssh", None) => Transport::Ssh,
        ("ssh", Some(user)) if user.contains(':') => {
            return Err("holds a password, which ssh takes from nobody; take it out and set credentials = { ssh_key = \"file:/path\" }".to_owned());
        }
        ("ssh", Some(user)) if is_user(user) => Transport::Ssh,
        ("ssh", Some(_)) => return Err(format!("has a strange user name: {FORMS}")),
        ("file", None) if url.host.is_empty() && has_path => return Ok(Transport::Open),
        ("file", None) => {
            return Err("must have three slashes and an absolute path: file:///path".to_owned());
        }
        ("git", None) => Transport::Open,
        (scheme, _) => return Err(format!("has the scheme {scheme:?}: {FORMS}")),
    };
    if !is_host(url.host) || !has_path {
        return Err(format!(
            "must have a host and a path after {}://",
            url.scheme
        ));
    }
    Ok(transport)
}

fn by_scp_form(text: &str) -> Result<Transport, String> {
    let parts = text
        .split_once(':')
        .and_then(|(host, path)| Some((host.split_once('@')?, path)));
    match parts {
        Some(((user, host), path))
            if is_user(user) && is_host(host) && !path.is_empty() && !path.starts_with('-') =>
        {
            Ok(Transport::Ssh)
        }
        // It may be user:password@host:path.
        _ if text.contains('@') => Err(format!("is not a git remote: {FORMS}")),
        _ => Err(format!("is {text:?}, which is not a git remote: {FORMS}")),
    }
}

fn is_user(user: &str) -> bool {
    let is_fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'+');
    !user.is_empty() && !user.starts_with('-') && user.bytes().all(is_fine)
}

/// The project a remote suggests: the last two parts of its path, without `.git`, what a project's name cannot hold
/// replaced by dashes. `None` where there are no two parts.
pub(super) fn project(remote: &Remote) -> Option<ProjectPath> {
    let url = remote.url.split(['?', '#']).next().unwrap_or_default();
    let path = match (split(url), url.starts_with('/')) {
        (Some(url), _) => url.path,
        (None, true) => url,
        (None, false) => url.split_once(':')?.1,
    };
    let path = path.trim_end_matches('/');
    let path = path
        .strip_suffix("/.git")
        .or_else(|| path.strip_suffix(".git"))
        .unwrap_or(path);
    let parts: Vec<String> = path
        .split('/')
        .map(valid_part)
        .filter(|part| !part.is_empty())
        .collect();
    let [.., owner, name] = parts.as_slice() else {
        return None;
    };
    ProjectPath::parse(&format!("{owner}/{name}")).ok()
}

fn valid_part(part: &str) -> String {
    let valid = |c: char| {
        if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') {
            c
        } else {
            '-'
        }
    };
    part.chars()
        .map(valid)
        .collect::<String>()
        .trim_start_matches(['-', '.'])
        .to_owned()
}
