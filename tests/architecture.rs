//! Who may know whom. Every file of `src` is read, what it names of ours and of other crates is collected, and held
//! against the table below, which is the shape of the program written down as rules with their reasons.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "architecture/names.rs"]
mod names;

use names::names_in;
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

/// Which files a rule is about: by the beginning of their path below `src`.
enum Files {
    In(&'static [&'static str]),
    NotIn(&'static [&'static str]),
}

/// What they may name. Ours are written `crate::core`, others `tokio::time`; each means what is below it, too.
enum Names {
    /// Of our own modules, only these and the file's own top module.
    OnlyOurs(&'static [&'static str]),
    /// Of other crates, only these (and `std`).
    OnlyCrates(&'static [&'static str]),
    /// None of these.
    Never(&'static [&'static str]),
}

struct Rule {
    files: Files,
    names: Names,
    reason: &'static str,
}

const fn rule(files: Files, names: Names, reason: &'static str) -> Rule {
    Rule {
        files,
        names,
        reason,
    }
}

use Files::{In, NotIn};
use Names::{Never, OnlyCrates, OnlyOurs};

/// The folders under `api/` that are dialects; each is an island.
const DIALECTS: &[&str] = &[
    "github", "gitlab", "qovery", "sevalla", "gitdev", "hooks", "web",
];

const RULES: &[Rule] = &[
    rule(
        In(&["core/"]),
        OnlyOurs(&[]),
        "core is what everybody shares: if it knew a part, every part would know that one",
    ),
    rule(
        In(&["core/"]),
        OnlyCrates(&[
            "aho_corasick",
            "async_trait",
            "base64",
            "croner",
            "futures_util",
            "ipnet",
            "jiff",
            "percent_encoding",
            "serde",
            "thiserror",
            "time",
            "uuid",
        ]),
        "core is plain values and rules: no async runtime, no SQL, no HTTP, no Docker",
    ),
    rule(
        In(&["core/"]),
        Never(&[
            "std::env",
            "std::fs",
            "std::io",
            "std::net::TcpListener",
            "std::net::TcpStream",
            "std::net::ToSocketAddrs",
            "std::net::UdpSocket",
            "std::os",
            "std::process",
            "std::thread",
            "std::time::Instant",
            "std::time::SystemTime",
        ]),
        "core does no I/O and asks no clock: what it needs comes in as an argument",
    ),
    rule(
        In(&["deploy/"]),
        OnlyOurs(&["core", "store"]),
        "the driver reaches Docker, git and the proxy through core's ports, so that tests can end it at every call",
    ),
    rule(
        In(&["deploy/"]),
        Never(&["axum", "bollard", "hyper", "serde_json", "std::process"]),
        "the driver decides; protocols, formats and programs are other parts' business",
    ),
    rule(
        In(&["deploy/"]),
        Never(&[
            "std::thread",
            "std::time::Instant",
            "std::time::SystemTime",
            "tokio::runtime",
            "tokio::spawn",
            "tokio::task",
            "tokio::time",
        ]),
        "the driver waits through the Clock port and has no tasks of its own: a task that outlives the driver would \
         go on changing the world",
    ),
    rule(
        In(&["store/"]),
        OnlyOurs(&["core"]),
        "the store writes down what was decided; it knows no way to decide",
    ),
    rule(
        NotIn(&["store/"]),
        Never(&["rusqlite", "rusqlite_migration"]),
        "SQL is the store's: a query elsewhere would escape its transactions",
    ),
    rule(
        In(&["engine/"]),
        OnlyOurs(&["core"]),
        "the engine carries out calls; phases and rows are not its business",
    ),
    rule(
        NotIn(&["engine/"]),
        Never(&["bollard", "tar"]),
        "only the engine speaks Docker's API, so that every call has our labels, time limits and errors",
    ),
    rule(
        In(&["source/", "ingress/"]),
        OnlyOurs(&["core"]),
        "an adapter knows its port and nothing else of ours",
    ),
    rule(
        NotIn(&["ingress/"]),
        Never(&["h2", "httparse"]),
        "only the data path takes messages apart itself; everybody else is served whole ones by hyper",
    ),
    rule(
        In(&[
            "ingress/lookup.rs",
            "ingress/proxy/body.rs",
            "ingress/proxy/forward.rs",
            "ingress/proxy/page.rs",
            "ingress/proxy/request.rs",
        ]),
        Never(&["nix", "tokio"]),
        "how bytes are read is what smuggling is about: it is decided by functions that tests and fuzzers can call",
    ),
    rule(
        NotIn(&["source/"]),
        Never(&["std::process::Command", "tokio::process"]),
        "git is the only program that is run, and only the source runs it",
    ),
    rule(
        In(&["config/"]),
        OnlyOurs(&["core"]),
        "the configuration is text to values; what they are used for is for others to know",
    ),
    rule(
        In(&["config/"]),
        Never(&["std::env", "std::fs", "std::io", "tokio"]),
        "reading the configuration is a pure function of its text, so that `check` says what `serve` would",
    ),
    rule(
        In(&["api/"]),
        OnlyOurs(&["core", "deploy"]),
        "a dialect is parse and render around one dispatch: with a store or an engine at hand it would do the work itself",
    ),
    rule(
        NotIn(&["api/", "daemon.rs", "daemon/", "lib.rs", "serve/"]),
        Never(&["crate::api"]),
        "nobody depends on how requests come in but the place that opens the sockets",
    ),
    rule(
        NotIn(&["api/", "daemon.rs", "serve/"]),
        Never(&["axum", "tower"]),
        "serving HTTP is the api's; a handler elsewhere would bypass its authentication",
    ),
    rule(
        In(&["cli/"]),
        OnlyOurs(&["config", "core", "daemon"]),
        "the command line is a client of the socket: with the store or the engine at hand it would work beside the daemon",
    ),
    rule(
        NotIn(&["cli/"]),
        Never(&["clap", "comfy_table", "indicatif"]),
        "arguments, tables and progress bars are for people at a terminal; only the command line meets them",
    ),
    rule(
        NotIn(&["daemon.rs", "daemon/", "cli/", "main.rs"]),
        Never(&["anyhow"]),
        "an error somebody may branch on is an enum; only the rim turns errors into text",
    ),
    rule(
        In(&["serve/"]),
        OnlyOurs(&["api"]),
        "a connection carries requests to the router; what they mean and do is not its business",
    ),
    rule(
        NotIn(&["daemon/"]),
        Never(&["sd_notify"]),
        "what systemd is told is the whole process' state, which only the composition root sees",
    ),
    rule(
        In(&["daemon/"]),
        OnlyOurs(&["config", "core", "deploy", "ingress", "serve"]),
        "the parts of the composition root each wire one thing; the root itself names the rest",
    ),
    rule(
        NotIn(&["cli/", "daemon.rs", "daemon/", "lib.rs"]),
        Never(&["crate::daemon"]),
        "the composition root names everything and is named by `serve` alone",
    ),
    rule(
        In(&["clock.rs"]),
        OnlyOurs(&["core"]),
        "the clock is an adapter like the others",
    ),
    rule(
        In(&["main.rs"]),
        OnlyOurs(&["cli"]),
        "main hands over to the command line and turns its answer into an exit status",
    ),
];

#[test]
fn every_file_names_only_what_its_place_may_know() {
    let mut faults = Vec::new();
    let mut read = 0;
    for path in sources() {
        let text = std::fs::read_to_string(root().join(&path)).unwrap();
        let names = names_in(&path, &text);
        faults.extend(judge(&path, &names));
        read += 1;
    }
    assert!(read > 100, "only {read} files were found");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_file_is_in_a_place_the_rules_speak_of() {
    for path in sources() {
        let known = path == "lib.rs"
            || path == "daemon.rs"
            || RULES.iter().any(|rule| match &rule.files {
                In(places) => begins_with_one(&path, places),
                NotIn(_) => false,
            });
        assert!(known, "no rule says what src/{path} may know: add one");
    }
}

#[test]
fn every_dialect_folder_is_one_the_rules_know() {
    for path in sources() {
        if let Some((folder, _)) = path
            .strip_prefix("api/")
            .and_then(|rest| rest.split_once('/'))
        {
            assert!(
                DIALECTS.contains(&folder),
                "src/api/{folder} is no dialect of the table"
            );
        }
    }
}

/// The faults of a snippet that pretends to be a file.
fn faults_of(path: &str, text: &str) -> String {
    judge(path, &names_in(path, text)).join("\n")
}

#[test]
fn each_kind_of_violation_is_caught() {
    let violations = [
        ("core/spec.rs", "use crate::store::Store;", "crate::store"),
        (
            "core/spec.rs",
            "use super::super::deploy::Agent;",
            "crate::deploy",
        ),
        (
            "core/spec.rs",
            "use tokio::sync::watch;",
            "tokio::sync::watch",
        ),
        (
            "core/spec.rs",
            "fn f() { std::fs::read(\"x\"); }",
            "std::fs::read",
        ),
        (
            "core/spec.rs",
            "use std::fs; fn f() { fs::read(\"x\"); }",
            "std::fs",
        ),
        (
            "core/spec.rs",
            "use std::net::{Ipv4Addr, TcpStream};",
            "std::net::TcpStream",
        ),
        (
            "core/spec.rs",
            "#[derive(schemars::JsonSchema)] struct S;",
            "schemars",
        ),
        (
            "deploy/walk.rs",
            "async fn f() { tokio::time::sleep(d).await; }",
            "tokio::time::sleep",
        ),
        ("deploy/walk.rs", "use tokio::time as t;", "tokio::time"),
        ("deploy/walk.rs", "use tokio::*;", "tokio::*"),
        (
            "deploy/walk.rs",
            "use tokio as t; fn f() { t::time::sleep(d); }",
            "tokio::time::sleep",
        ),
        (
            "deploy/walk.rs",
            "fn f() { tokio::spawn(async {}); }",
            "tokio::spawn",
        ),
        (
            "deploy/walk.rs",
            "fn f() { tokio::select! { () = tokio::time::sleep(d) => {} } }",
            "tokio::time::sleep",
        ),
        (
            "deploy/walk.rs",
            "use tokio::{sync, time}; fn f() { time::sleep(d); }",
            "tokio::time",
        ),
        (
            "deploy/walk.rs",
            "fn f() -> serde_json::Value { todo() }",
            "serde_json::Value",
        ),
        (
            "deploy/walk.rs",
            "use crate::engine::Docker;",
            "crate::engine::Docker",
        ),
        ("deploy/mod.rs", "use super::api::Api;", "crate::api::Api"),
        (
            "deploy/walk.rs",
            "mod inner { use super::super::super::config::Config; }",
            "crate::config::Config",
        ),
        (
            "store/rows.rs",
            "use crate::deploy::Agent;",
            "crate::deploy::Agent",
        ),
        (
            "source/mod.rs",
            "fn f(c: &rusqlite::Connection) {}",
            "rusqlite::Connection",
        ),
        (
            "engine/pool.rs",
            "use crate::store::Store;",
            "crate::store::Store",
        ),
        (
            "api/gitdev/mod.rs",
            "use crate::store::Store;",
            "crate::store::Store",
        ),
        (
            "api/gitdev/mod.rs",
            "use super::github::Words;",
            "crate::api::github::Words",
        ),
        (
            "api/gitdev/render.rs",
            "use crate::api::{Api, qovery};",
            "crate::api::qovery",
        ),
        (
            "api/mod.rs",
            "fn f(d: bollard::Docker) {}",
            "bollard::Docker",
        ),
        ("cli/show.rs", "use crate::api::Peer;", "crate::api::Peer"),
        (
            "cli/show.rs",
            "use crate::store::Store;",
            "crate::store::Store",
        ),
        ("config/mod.rs", "use std::fs::File;", "std::fs::File"),
        ("ingress/probe.rs", "use axum::Router;", "axum::Router"),
        (
            "serve/mod.rs",
            "use httparse::Request;",
            "httparse::Request",
        ),
        (
            "ingress/proxy/request.rs",
            "use tokio::net::TcpStream;",
            "tokio::net::TcpStream",
        ),
        (
            "ingress/run.rs",
            "use crate::store::Store;",
            "crate::store::Store",
        ),
        (
            "ingress/run.rs",
            "fn f() { sd_notify::notify(&[]); }",
            "sd_notify::notify",
        ),
        (
            "daemon/ingress.rs",
            "use crate::store::Store;",
            "crate::store::Store",
        ),
        ("engine/pool.rs", "use clap::Args;", "clap::Args"),
        (
            "deploy/walk.rs",
            "fn f() -> anyhow::Result<()> { Ok(()) }",
            "anyhow::Result",
        ),
        (
            "engine/pool.rs",
            "use tokio::process::Command;",
            "tokio::process::Command",
        ),
        (
            "main.rs",
            "fn main() { longshore::daemon::run(); }",
            "crate::daemon::run",
        ),
        (
            "deploy/walk.rs",
            "macro_rules! m { () => { bollard::Docker::new() } }",
            "bollard::Docker::new",
        ),
        (
            "core/spec.rs",
            "fn f() { <bollard::Docker as Clone>::clone(d); }",
            "bollard::Docker",
        ),
    ];
    for (path, text, named) in violations {
        let faults = faults_of(path, text);
        assert!(
            faults.contains(&format!("src/{path} names {named}")),
            "{path}: {text}: {faults:?}"
        );
        assert!(
            faults.contains("because"),
            "{faults}: the reason is missing"
        );
    }
}

#[test]
fn what_is_lawful_is_not_caught() {
    let lawful = [
        (
            "core/spec.rs",
            "use std::net::{Ipv4Addr, SocketAddr}; use super::name::AppName; use crate::core::id;",
        ),
        (
            "core/spec.rs",
            "mod time {} fn f() { let x = self::time::y(); }",
        ),
        // A string or a comment names nothing.
        (
            "core/spec.rs",
            "/* tokio::time */ fn f() { println!(\"tokio::time::sleep {}\", 1); }",
        ),
        (
            "deploy/walk.rs",
            "use crate::store::Store; async fn f() { tokio::select! { () = a => {} } }",
        ),
        // A test may use what it likes.
        (
            "deploy/walk.rs",
            "#[cfg(test)] mod tests { use proptest::prelude::*; fn f() { tokio::time::pause(); } }",
        ),
        (
            "api/gitdev/mod.rs",
            "mod error; use super::{Api, auth}; use error::Refusal; use crate::core::action::Action;",
        ),
        (
            "daemon.rs",
            "use crate::{api, engine, store, source, ingress, deploy}; use axum::Router;",
        ),
        (
            "source/mod.rs",
            "use std::process::ExitStatus; use tokio::process::Command;",
        ),
        (
            "main.rs",
            "fn main() -> std::process::ExitCode { longshore::cli::run() }",
        ),
    ];
    for (path, text) in lawful {
        assert_eq!(faults_of(path, text), "", "{path}: {text}");
    }
}

/// Each broken rule as a sentence: the file, what it named, the rule and its reason.
fn judge(path: &str, names: &BTreeSet<String>) -> Vec<String> {
    let own = format!("crate::{}", top(path));
    let mut faults: Vec<String> = names
        .iter()
        .filter_map(|name| of_another_dialect(path, name))
        .collect();
    for rule in RULES.iter().filter(|rule| rule.files.hold(path)) {
        for name in names {
            let broken = match &rule.names {
                OnlyOurs(ours) => {
                    let lawful = |ours: &&str| is_below(name, &format!("crate::{ours}"));
                    (is_ours(name) && !is_below(name, &own) && !ours.iter().any(lawful))
                        .then(|| format!("of ours it may name [{}]", ours.join(", ")))
                }
                OnlyCrates(crates) => {
                    let known = first(name) == "std" || crates.contains(&first(name));
                    (!is_ours(name) && !known)
                        .then(|| format!("of crates it may name [{}]", crates.join(", ")))
                }
                Never(never) => never
                    .iter()
                    .find(|banned| is_below(name, banned) || opens(name, banned))
                    .map(|banned| format!("{} may not name {banned}", rule.files)),
            };
            if let Some(broken) = broken {
                let reason = rule.reason;
                faults.push(format!(
                    "src/{path} names {name}: {broken}, because {reason}"
                ));
            }
        }
    }
    faults
}

fn of_another_dialect(path: &str, name: &str) -> Option<String> {
    let own = path.strip_prefix("api/")?.split(['/', '.']).next()?;
    let other = name.strip_prefix("crate::api::")?.split("::").next()?;
    let broken = DIALECTS.contains(&own) && DIALECTS.contains(&other) && own != other;
    broken.then(|| {
        format!(
            "src/{path} names {name}: dialects never import each other, because a change for one vendor's clients \
             must not reach another's"
        )
    })
}

impl Files {
    fn hold(&self, path: &str) -> bool {
        match self {
            In(places) => begins_with_one(path, places),
            NotIn(places) => !begins_with_one(path, places),
        }
    }
}

impl fmt::Display for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            In(places) => f.write_str(&places.join(" and ")),
            NotIn(places) => write!(f, "what is outside {}", places.join(" and ")),
        }
    }
}

fn begins_with_one(path: &str, places: &[&str]) -> bool {
    places.iter().any(|place| path.starts_with(place))
}

/// The top module a file belongs to.
fn top(path: &str) -> &str {
    path.split(['/', '.']).next().unwrap_or_default()
}

fn first(name: &str) -> &str {
    name.split("::").next().unwrap_or_default()
}

fn is_ours(name: &str) -> bool {
    first(name) == "crate"
}

/// Whether a name is that path or below it.
fn is_below(name: &str, path: &str) -> bool {
    name.strip_prefix(path)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Whether a glob brings that path into reach.
fn opens(name: &str, path: &str) -> bool {
    name.strip_suffix("::*")
        .is_some_and(|base| is_below(path, base))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file, relative to `src`.
fn sources() -> Vec<String> {
    fn collect(directory: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let relative = path.strip_prefix(root()).unwrap();
                found.push(relative.to_str().unwrap().to_owned());
            }
        }
    }
    let mut found = Vec::new();
    collect(&root(), &mut found);
    found.sort();
    found
}
