//! The few things the configuration must know of a URL.

use std::net::Ipv6Addr;

/// A URL's parts, as far as they matter here.
pub(super) struct Url<'t> {
    pub scheme: &'t str,
    /// User and password, before the `@`.
    pub user: Option<&'t str>,
    /// Host and port.
    pub host: &'t str,
    /// From the first slash on.
    pub path: &'t str,
}

/// Takes a text apart; `None` if it has no `scheme://`.
pub(super) fn split(text: &str) -> Option<Url<'_>> {
    let (scheme, rest) = text.split_once("://")?;
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    Some(Url {
        scheme,
        user,
        host,
        path,
    })
}

/// Whether this is a host's name or address, with a port or without.
pub(super) fn is_host(text: &str) -> bool {
    let (name, port) = match text.rsplit_once(':') {
        // The colons of a bare IPv6 address are inside its brackets.
        Some((name, port)) if !text.ends_with(']') => (name, Some(port)),
        _ => (text, None),
    };
    let is_port = |port: &str| {
        port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    let is_name = match name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
    {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => {
            !name.is_empty()
                && name.len() <= 253
                && !name.starts_with(['-', '.'])
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
        }
    };
    is_name && port.is_none_or(is_port)
}

/// Whether this holds what no URL may hold.
pub(super) fn has_strange_characters(text: &str) -> bool {
    text.len() > 2048 || text.contains(|c: char| c.is_whitespace() || c.is_control())
}
