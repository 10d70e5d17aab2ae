//! The submodules of a commit, as data. Git's own `submodule` command runs a shell script with settings taken from
//! the tree; here they are read as what a stranger wrote, and each is fetched and written like any other commit.

use super::fault::Fault;
use super::mirror::Mirror;
use super::program::Call;
use crate::core::ports::SourceError;
use std::collections::BTreeMap;
use std::path::{Component, Path};

/// More submodules than any project has; fewer than a tree that names itself twice at each level would have.
pub(super) const MOST: usize = 256;

/// A submodule of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Module {
    /// Where it goes in the tree.
    pub(super) path: String,
    /// Its address as `.gitmodules` writes it.
    pub(super) url: String,
    /// The commit the tree names.
    pub(super) sha: String,
}

/// The submodules that `.gitmodules` describes and the tree holds. One without the other is nothing: git leaves
/// the directory empty.
pub(super) async fn of_commit(mirror: &Mirror<'_>, sha: &str) -> Result<Vec<Module>, Fault> {
    let file = entries(mirror, sha, [".gitmodules"]).await?;
    if !file.values().any(|entry| entry.mode.starts_with("100")) {
        return Ok(Vec::new());
    }
    let blob = format!("{sha}:.gitmodules");
    let pattern = r"^submodule\..*\.(path|url|update)$";
    // With `--blob` git would follow an `[include]` to a file of this host.
    let call = Call::new([
        "config",
        "--no-includes",
        "--blob",
        &blob,
        "-z",
        "--get-regexp",
        pattern,
    ]);
    let answer = mirror.ask(call).await?;
    let described = match answer.code {
        0 => described(&answer.success()?),
        // It describes nothing. A syntax error has the same status, and is told.
        1 if answer.is_silent() => return Ok(Vec::new()),
        _ => {
            return Err(SourceError::Failed(
                "the repository's .gitmodules is not a valid git configuration".to_owned(),
            )
            .into());
        }
    };
    let described: Vec<Description> = described
        .into_values()
        .filter(|module| module.update != "none" && stays_inside(&module.path))
        .collect();
    if described.is_empty() {
        return Ok(Vec::new());
    }
    let paths = described.iter().map(|module| module.path.as_str());
    let held = entries(mirror, sha, paths).await?;
    Ok(described
        .into_iter()
        .filter_map(|module| {
            let entry = held.get(&module.path).filter(|e| e.mode == "160000")?;
            Some(Module {
                sha: entry.id.clone(),
                path: module.path,
                url: module.url,
            })
        })
        .collect())
}

#[derive(Debug, Default)]
struct Description {
    path: String,
    url: String,
    update: String,
}

struct Entry {
    mode: String,
    id: String,
}

/// What `git config -z --get-regexp` prints, by the submodule's name: `submodule.<name>.<key>\n<value>\0`.
fn described(text: &[u8]) -> BTreeMap<String, Description> {
    let mut modules: BTreeMap<String, Description> = BTreeMap::new();
    for record in String::from_utf8_lossy(text).split_terminator('\0') {
        let (key, value) = record.split_once('\n').unwrap_or((record, ""));
        let Some((name, key)) = key
            .strip_prefix("submodule.")
            .and_then(|key| key.rsplit_once('.'))
        else {
            continue;
        };
        let module = modules.entry(name.to_owned()).or_default();
        match key {
            "path" => module.path = value.trim_end_matches('/').to_owned(),
            "url" => module.url = value.to_owned(),
            "update" => module.update = value.to_owned(),
            _ => {}
        }
    }
    modules
}

/// The tree's entries at these paths: `<mode> <type> <id>\t<path>\0`.
async fn entries<'p>(
    mirror: &Mirror<'_>,
    sha: &str,
    paths: impl IntoIterator<Item = &'p str>,
) -> Result<BTreeMap<String, Entry>, Fault> {
    let mut call = Call::new(["ls-tree", "-z", "--full-tree", sha, "--"]);
    for path in paths {
        call = call.argument(path);
    }
    let text = mirror.ask(call).await?.success()?;
    let mut entries = BTreeMap::new();
    for record in String::from_utf8_lossy(&text).split_terminator('\0') {
        let Some((about, path)) = record.split_once('\t') else {
            continue;
        };
        let mut about = about.split(' ');
        if let (Some(mode), Some(_), Some(id)) = (about.next(), about.next(), about.next()) {
            let entry = Entry {
                mode: mode.to_owned(),
                id: id.to_owned(),
            };
            entries.insert(path.to_owned(), entry);
        }
    }
    Ok(entries)
}

fn stays_inside(path: &str) -> bool {
    !path.is_empty()
        && Path::new(path)
            .components()
            .all(|part| matches!(part, Component::Normal(name) if name != ".git"))
}

/// Whether the submodule's place is a directory that can be reached without a symlink.
pub(super) fn is_real_dir(tree: &Path, path: &str) -> bool {
    let mut place = tree.to_owned();
    Path::new(path).components().all(|part| {
        place.push(part);
        place.symlink_metadata().is_ok_and(|found| found.is_dir())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_hold_dots_and_the_last_value_wins() {
        let modules = described(
            b"submodule.a.b.path\nlib/\0submodule.a.b.url\nx\0submodule.a.b.url\ny\0submodule.c.update\nnone\0",
        );
        let module = &modules["a.b"];
        assert_eq!((module.path.as_str(), module.url.as_str()), ("lib", "y"));
        assert_eq!(modules["c"].update, "none");
    }

    #[test]
    fn paths_that_lead_out_are_no_places() {
        for bad in ["", "/etc", "../x", "a/../b", ".git", "a/.git/hooks"] {
            assert!(!stays_inside(bad), "{bad}");
        }
        assert!(stays_inside("libs/x.y"));
    }
}
