//! A remote's address: which transport it takes, whom it belongs to, and what a submodule's relative address means.
//! Git would take a great deal more (`ext::` runs a program); only what is named here is passed to it.

/// An address git may be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    text: String,
    transport: Transport,
}

/// How a remote is reached. The origin is who may see credentials: scheme, host and port, without a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// A path or `file://` on this host.
    Local,
    /// `http://`, unencrypted.
    Http { origin: String },
    /// `https://`.
    Https { origin: String },
    /// `ssh://` or `user@host:path`.
    Ssh { origin: String },
    /// `git://`, which knows no credentials.
    Daemon { origin: String },
}

impl Address {
    /// Takes an address that git reads by itself, without running a helper named in it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim_end_matches('/');
        if text.is_empty() || text.starts_with('-') || text.chars().any(char::is_control) {
            return Err(format!("'{}' is not a git address", shown(text)));
        }
        let transport = match text.split_once("://") {
            Some((scheme, rest)) => match scheme {
                "file" => Transport::Local,
                "http" => Transport::Http {
                    origin: origin(scheme, rest, "80")?,
                },
                "https" => Transport::Https {
                    origin: origin(scheme, rest, "443")?,
                },
                "ssh" => Transport::Ssh {
                    origin: origin(scheme, rest, "22")?,
                },
                "git" => Transport::Daemon {
                    origin: origin(scheme, rest, "9418")?,
                },
                other => return Err(unsupported(text, other)),
            },
            None if text.starts_with('/') => Transport::Local,
            None => scp(text)?,
        };
        Ok(Self {
            text: text.to_owned(),
            transport,
        })
    }

    /// The address of a submodule as `.gitmodules` of this remote's tree writes it, by git's own rule for
    /// `./` and `../`. A submodule never reads this host's files, and a relative one stays with its remote.
    pub(super) fn submodule(&self, written: &str) -> Result<Self, String> {
        let relative = written.starts_with("./") || written.starts_with("../");
        let address = if relative {
            Self::parse(&resolve(&self.text, written)?)?
        } else {
            Self::parse(written)?
        };
        if relative && address.transport != self.transport {
            return Err(format!("'{}' leads away from the remote", shown(written)));
        }
        match address.transport {
            Transport::Local => Err(format!(
                "'{}' is a place on this host, which a submodule may not read",
                shown(written)
            )),
            Transport::Http { .. }
            | Transport::Https { .. }
            | Transport::Ssh { .. }
            | Transport::Daemon { .. } => Ok(address),
        }
    }

    /// The address as git takes it.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// How it is reached.
    pub(super) fn transport(&self) -> &Transport {
        &self.transport
    }
}

impl Transport {
    /// What git may speak, as `GIT_ALLOW_PROTOCOL` wants it. Only `http` may be redirected to the other (`https`).
    pub(super) fn allowed(&self) -> &'static str {
        match self {
            Self::Local => "file",
            Self::Http { .. } => "http:https",
            Self::Https { .. } => "https",
            Self::Ssh { .. } => "ssh",
            Self::Daemon { .. } => "git",
        }
    }
}

/// Scheme, host and port in lower case; the user is no part of it and a password is refused, because an address
/// is an argument every user of the host can see.
fn origin(scheme: &str, rest: &str, default_port: &str) -> Result<String, String> {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    if user.contains(':') {
        return Err(format!(
            "the address of {host} holds a password; give it as credentials instead"
        ));
    }
    let host = host
        .strip_suffix(default_port)
        .and_then(|host| host.strip_suffix(':'))
        .unwrap_or(host);
    if host.is_empty() || host.starts_with('-') || user.starts_with('-') {
        return Err(format!("the {scheme} address names no host"));
    }
    Ok(format!("{scheme}://{}", host.to_ascii_lowercase()))
}

/// `user@host:path`. Two colons in a row are git's way to name a helper program.
fn scp(text: &str) -> Result<Transport, String> {
    match text.split_once(':') {
        Some((helper, rest)) if rest.starts_with(':') => Err(unsupported(text, helper)),
        Some((authority, path)) if !authority.contains('/') && !path.is_empty() => {
            Ok(Transport::Ssh {
                origin: origin("ssh", authority, "22")?,
            })
        }
        Some(_) | None => Err(format!(
            "'{}' is not a git address: it must be https://…, ssh://…, user@host:path or an absolute path",
            shown(text)
        )),
    }
}

fn unsupported(text: &str, transport: &str) -> String {
    format!(
        "'{}' uses '{}', which longshore does not allow; use https or ssh",
        shown(text),
        shown(transport)
    )
}

/// The text without what could hold a password or move a terminal's cursor, for messages.
fn shown(text: &str) -> String {
    let clean = crate::core::log::clean(text.as_bytes());
    match clean.split_once("://") {
        Some((scheme, rest)) => {
            let authority = rest.split('/').next().unwrap_or_default();
            let path = &rest[authority.len()..];
            let host = authority.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}{path}")
        }
        None => clean,
    }
}

/// Git's rule: each `../` takes the last part off the remote's address, at a slash or else at a colon.
fn resolve(base: &str, written: &str) -> Result<String, String> {
    let mut base = base;
    let mut written = written;
    let mut joint = '/';
    loop {
        if let Some(rest) = written.strip_prefix("../") {
            written = rest;
            let cut = base
                .rfind('/')
                .or_else(|| base.rfind(':'))
                .ok_or_else(|| format!("'{}' leads out of the remote", shown(written)))?;
            if base.as_bytes()[cut] == b':' {
                joint = ':';
            }
            base = &base[..cut];
        } else if let Some(rest) = written.strip_prefix("./") {
            written = rest;
        } else {
            return Ok(format!("{base}{joint}{written}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn credentials_belong_to_scheme_host_and_port() {
        for (text, expected) in [
            ("https://Example.com/a/b.git", "https://example.com"),
            ("https://user@example.com:443/a", "https://example.com"),
            ("http://127.0.0.1:8080/a", "http://127.0.0.1:8080"),
            ("git@example.com:a/b", "ssh://example.com"),
            ("ssh://git@example.com:22/a", "ssh://example.com"),
            ("ssh://example.com:2222/a", "ssh://example.com:2222"),
            ("git://example.com/a", "git://example.com"),
        ] {
            let origin = match Address::parse(text).unwrap().transport {
                Transport::Local => String::new(),
                Transport::Http { origin }
                | Transport::Https { origin }
                | Transport::Ssh { origin }
                | Transport::Daemon { origin } => origin,
            };
            assert_eq!(origin, expected, "{text}");
        }
        for local in ["/srv/a.git", "file:///srv/a.git"] {
            assert_eq!(Address::parse(local).unwrap().transport, Transport::Local);
        }
    }

    #[test]
    fn helpers_options_and_passwords_are_no_addresses() {
        for text in [
            "",
            "-u",
            "--upload-pack=x",
            "ext::sh -c id",
            "fd::3",
            "ext::http://a/b",
            "ftp://a/b",
            "a/b",
            "../a",
            "ssh://-oProxyCommand=id/a",
            "-oProxyCommand=id:a",
            "https://user:password@example.com/a",
            "https:///a",
            "http://a\nb",
            "host:",
        ] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
        let refused = Address::parse("https://user:hunter2@example.com/a").unwrap_err();
        assert!(!refused.contains("hunter2"), "{refused}");
        let refused = Address::parse("ftp://user:hunter2@example.com/a").unwrap_err();
        assert!(!refused.contains("hunter2"), "{refused}");
    }

    #[test]
    fn relative_submodules_stay_with_their_remote() {
        for (base, written, expected) in [
            ("https://h/a/b.git", "../c.git", "https://h/a/c.git"),
            ("https://h/a/b.git", "../../x/c", "https://h/x/c"),
            ("https://h/a/b.git", "./c", "https://h/a/b.git/c"),
            ("git@h:a/b.git", "../c.git", "git@h:a/c.git"),
            ("git@h:a/b.git", "../../c.git", "git@h:c.git"),
            ("ssh://h:22/a/b", "../c", "ssh://h:22/a/c"),
            ("https://h/a", "https://other/b", "https://other/b"),
        ] {
            let base = Address::parse(base).unwrap();
            assert_eq!(base.submodule(written).unwrap().as_str(), expected);
        }
        for (base, written) in [
            ("https://h/a", "../../evil/b"),
            ("https://h/a", "../../../evil/b"),
            ("https://h/a", "../../../../../b"),
            ("/srv/a.git", "../b.git"),
            ("file:///srv/a.git", "../b.git"),
            ("https://h/a", "file:///etc"),
            ("https://h/a", "/etc"),
            ("https://h/a", "ext::sh -c id"),
        ] {
            let base = Address::parse(base).unwrap();
            assert!(base.submodule(written).is_err(), "{base:?} {written}");
        }
    }

    proptest! {
        #[test]
        fn no_written_address_reaches_this_host(written in "(\\.\\./|\\./|/|ext::|file|:|-|[a-z@.]){0,12}") {
            let base = Address::parse("https://example.com/acme/web.git").unwrap();
            if let Ok(address) = base.submodule(&written) {
                prop_assert_ne!(address.transport(), &Transport::Local);
                prop_assert!(!address.as_str().starts_with('-'));
                let scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
                let rest = address.as_str().trim_start_matches(scheme);
                prop_assert!(!rest.starts_with("::"), "git would run a helper");
            }
        }
    }
}
