//! Which route a request is for: a table's domains, laid out so that a host and a path find theirs without looking at all.

use crate::core::route::{Domain, Host};
use std::collections::HashMap;

/// Something for each domain.
#[derive(Debug)]
pub struct Lookup<T> {
    exact: HashMap<String, Paths<T>>,
    /// By what follows the `*.`.
    below: HashMap<String, Paths<T>>,
    any: Paths<T>,
}

/// The longest first, so that the first that fits is the most specific.
#[derive(Debug)]
struct Paths<T>(Vec<(String, T)>);

impl<T> Default for Paths<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Default for Lookup<T> {
    fn default() -> Self {
        Self {
            exact: HashMap::new(),
            below: HashMap::new(),
            any: Paths::default(),
        }
    }
}

impl<T> Lookup<T> {
    /// Of these; of two with the same domain the later holds.
    pub fn new(routes: impl IntoIterator<Item = (Domain, T)>) -> Self {
        let mut lookup = Self::default();
        for (domain, value) in routes {
            let paths = match domain.host {
                Host::Exact(host) => lookup.exact.entry(host).or_default(),
                Host::Below(host) => lookup.below.entry(host).or_default(),
                Host::Any => &mut lookup.any,
            };
            paths.add(domain.path, value);
        }
        lookup
    }

    /// The most specific host that has a route for the path wins (exact, then the longest wildcard, then any), and of its
    /// routes the one with the longest path. The host may have a port, capital letters and a last dot.
    pub fn find(&self, host: &str, path: &str) -> Option<&T> {
        let host = name_of(host);
        if host.bytes().any(|b| b.is_ascii_uppercase()) {
            self.find_lower(&host.to_ascii_lowercase(), path)
        } else {
            self.find_lower(host, path)
        }
    }

    fn find_lower(&self, host: &str, path: &str) -> Option<&T> {
        if let Some(found) = self.exact.get(host).and_then(|paths| paths.find(path)) {
            return Some(found);
        }
        if !self.below.is_empty() {
            let mut rest = host;
            // A wildcard stands for at least one label, and that one is not empty.
            while let Some((label, parent)) = rest.split_once('.') {
                if !label.is_empty()
                    && let Some(found) = self.below.get(parent).and_then(|paths| paths.find(path))
                {
                    return Some(found);
                }
                rest = parent;
            }
        }
        self.any.find(path)
    }
}

impl<T> Paths<T> {
    fn add(&mut self, path: String, value: T) {
        match self.0.iter_mut().find(|(old, _)| *old == path) {
            Some(same) => same.1 = value,
            None => {
                let at = self.0.partition_point(|(old, _)| old.len() >= path.len());
                self.0.insert(at, (path, value));
            }
        }
    }

    fn find(&self, path: &str) -> Option<&T> {
        self.0
            .iter()
            .find(|(prefix, _)| is_at_or_below(path, prefix))
            .map(|(_, value)| value)
    }
}

/// Whether the path is the prefix or goes on with a slash: `/docs` is for `/docs/a`, not for `/docsets`.
fn is_at_or_below(path: &str, prefix: &str) -> bool {
    prefix == "/"
        || path
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The name in a `Host` header: without its port and one last dot.
fn name_of(host: &str) -> &str {
    let name = if host.starts_with('[') {
        // An IPv6 address: its colons are its own.
        host.find(']').map_or(host, |end| &host[..=end])
    } else {
        host.split_once(':').map_or(host, |(name, _)| name)
    };
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(domains: &[&str]) -> Lookup<String> {
        Lookup::new(
            domains
                .iter()
                .map(|text| (Domain::parse(text).unwrap(), (*text).to_owned())),
        )
    }

    #[test]
    fn the_most_specific_host_that_has_the_path_wins_and_of_its_paths_the_longest() {
        let all = lookup(&[
            "*",
            "*/any",
            "*.b.c",
            "*.a.b.c",
            "x.b.c",
            "x.b.c/docs",
            "x.b.c/docs/v1",
            "y.b.c/only",
        ]);
        for (host, path, found) in [
            ("x.b.c", "/", "x.b.c"),
            ("x.b.c", "/docs", "x.b.c/docs"),
            ("x.b.c", "/docs/", "x.b.c/docs"),
            ("x.b.c", "/docs/v1/z", "x.b.c/docs/v1"),
            ("x.b.c", "/docs/v12", "x.b.c/docs"),
            ("x.b.c", "/docsets", "x.b.c"),
            ("X.B.c.:8080", "/", "x.b.c"),
            ("y.b.c", "/only", "y.b.c/only"),
            ("y.b.c", "/else", "*.b.c"),
            ("a.b.c", "/", "*.b.c"),
            ("q.a.b.c", "/", "*.a.b.c"),
            ("r.q.a.b.c", "/", "*.a.b.c"),
            ("b.c", "/", "*"),
            (".b.c", "/", "*"),
            ("other", "/any/thing", "*/any"),
            ("[::1]:80", "/", "*"),
        ] {
            assert_eq!(all.find(host, path).unwrap(), found, "{host}{path}");
        }
    }

    #[test]
    fn what_no_domain_names_is_not_found() {
        let some = lookup(&["a.b", "*.c.d", "e.f/docs"]);
        for (host, path) in [
            ("b", "/"),
            ("z.a.b", "/"),
            ("c.d", "/"),
            ("e.f", "/"),
            ("e.f", "/docsx"),
            ("", "/"),
            ("a.b..", "/"),
        ] {
            assert_eq!(some.find(host, path), None, "{host}{path}");
        }
    }
}
