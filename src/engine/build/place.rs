//! Where in a checked-out tree the context and the Dockerfile are. Neither can lead out of it.

use super::ignore::Ignore;
use crate::core::ports::{Build, EngineError};
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};
use walkdir::WalkDir;

/// How deep is looked for files that look like a Dockerfile.
const SEARCH_DEPTH: usize = 3;
/// How many of them are named.
const SEARCH_RESULTS: usize = 5;
/// The longest `.dockerignore` that is read; real ones have a few hundred bytes.
const IGNORE_LIMIT: u64 = 1024 * 1024;

/// Where everything is, with all symbolic links resolved.
#[derive(Debug)]
pub struct Place {
    /// The context's directory.
    pub context: PathBuf,
    /// The Dockerfile.
    pub dockerfile: Dockerfile,
    /// What is left out.
    pub ignore: Ignore,
}

/// The Dockerfile, seen from the context.
#[derive(Debug, PartialEq, Eq)]
pub enum Dockerfile {
    /// It is a file of the context, at this path relative to it.
    Inside(String),
    /// It is somewhere else in the tree, or behind a symbolic link: sent in addition, under this name.
    Beside {
        /// The name in the context, which nothing there has.
        name: String,
        /// The file.
        file: PathBuf,
    },
}

impl Dockerfile {
    /// Its path as the engine is told.
    pub fn name(&self) -> &str {
        match self {
            Self::Inside(name) | Self::Beside { name, .. } => name,
        }
    }
}

/// Finds the context and the Dockerfile. Reads the disk: not for an async task.
pub fn find(build: &Build) -> Result<Place, EngineError> {
    let tree = build.tree.canonicalize().map_err(|err| {
        EngineError::Refused(format!(
            "the checked-out tree {} cannot be read: {err}",
            build.tree.display()
        ))
    })?;
    let spec = &build.spec;
    let context = inside(&tree, &tree.join(&spec.context))
        .filter(|context| context.is_dir() && !Path::new(&spec.context).is_absolute())
        .ok_or_else(|| EngineError::NoContext(spec.context.clone()))?;
    let file = dockerfile(&tree, &context, build)?;
    let ignore = ignore(&tree, &context, &file)?;
    Ok(Place {
        dockerfile: seen_from(&context, &spec.dockerfile, file),
        context,
        ignore,
    })
}

/// The path with its links resolved, if it exists and lies in the tree.
fn inside(tree: &Path, path: &Path) -> Option<PathBuf> {
    path.canonicalize()
        .ok()
        .filter(|path| path.starts_with(tree))
}

fn dockerfile(tree: &Path, context: &Path, build: &Build) -> Result<PathBuf, EngineError> {
    let spec = &build.spec;
    let path = context.join(&spec.dockerfile);
    let shown = shown(&spec.context, &spec.dockerfile);
    match path.canonicalize() {
        Ok(file) if !file.starts_with(tree) || Path::new(&spec.dockerfile).is_absolute() => {
            Err(EngineError::Refused(format!(
                "the Dockerfile {shown} leads out of the repository; it must be a file in it"
            )))
        }
        Ok(file) if file.is_file() => Ok(file),
        Ok(_) | Err(_) => Err(EngineError::NoDockerfile {
            path: shown,
            similar: similar(tree),
        }),
    }
}

/// The path relative to the repository's root, as the configuration means it.
fn shown(context: &str, dockerfile: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    for part in Path::new(context).join(dockerfile).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if parts.last().is_some_and(|last| last != "..") => {
                parts.pop();
            }
            part => parts.push(part.as_os_str().to_string_lossy().into_owned()),
        }
    }
    parts.join("/")
}

/// Files whose name looks like a Dockerfile's, nearest to the root first.
fn similar(tree: &Path) -> Vec<String> {
    let hidden = |name: &str| name.starts_with('.') || name == "node_modules" || name == "vendor";
    let mut found: Vec<(usize, String)> = WalkDir::new(tree)
        .min_depth(1)
        .max_depth(SEARCH_DEPTH)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| {
            !(entry.file_type().is_dir() && hidden(&entry.file_name().to_string_lossy()))
        })
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .filter(|entry| looks_like_one(&entry.file_name().to_string_lossy()))
        .filter_map(|entry| {
            let path = entry.path().strip_prefix(tree).ok()?;
            Some((entry.depth(), path.to_string_lossy().into_owned()))
        })
        .collect();
    found.sort();
    found
        .into_iter()
        .map(|(_, path)| path)
        .take(SEARCH_RESULTS)
        .collect()
}

fn looks_like_one(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    !name.ends_with(".dockerignore")
        && ["dockerfile", "containerfile"].iter().any(|word| {
            name.strip_prefix(word)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-', '_']))
                || name
                    .strip_suffix(word)
                    .is_some_and(|rest| rest.ends_with(['.', '-', '_']))
        })
}

/// How the engine is told of the file: by its own name where that leads straight to it.
fn seen_from(context: &Path, asked: &str, file: PathBuf) -> Dockerfile {
    let plain: PathBuf = Path::new(asked)
        .components()
        .filter(|part| *part != Component::CurDir)
        .collect();
    match plain.to_str() {
        Some(name) if context.join(name) == file => Dockerfile::Inside(name.to_owned()),
        Some(_) | None => Dockerfile::Beside {
            name: free_name(context),
            file,
        },
    }
}

/// A name that no file of the context has; the same one every time, for the sake of the build cache.
fn free_name(context: &Path) -> String {
    let mut name = ".longshore.Dockerfile".to_owned();
    while context.join(&name).symlink_metadata().is_ok() {
        name.push('_');
    }
    name
}

/// `<Dockerfile>.dockerignore` beside the Dockerfile, else `.dockerignore` in the context.
fn ignore(tree: &Path, context: &Path, dockerfile: &Path) -> Result<Ignore, EngineError> {
    let mut own = dockerfile.as_os_str().to_owned();
    own.push(".dockerignore");
    for path in [PathBuf::from(own), context.join(".dockerignore")] {
        if let Some(text) = read_ignore(tree, &path)? {
            let name = path
                .strip_prefix(tree)
                .unwrap_or(&path)
                .display()
                .to_string();
            return Ignore::parse(&text)
                .map_err(|fault| EngineError::Refused(format!("{name}: {fault}")));
        }
    }
    Ok(Ignore::default())
}

/// The file's text; `None` if there is none.
fn read_ignore(tree: &Path, path: &Path) -> Result<Option<String>, EngineError> {
    let refuse = |why: &str| {
        let name = path.strip_prefix(tree).unwrap_or(path).display();
        Err(EngineError::Refused(format!("{name} {why}")))
    };
    let real = match path.canonicalize() {
        Ok(real) => real,
        Err(err) if err.kind() == ErrorKind::NotFound => return Ok(None),
        Err(err) => return refuse(&format!("cannot be read: {err}")),
    };
    if !real.starts_with(tree) {
        return refuse("leads out of the repository; it must be a file in it");
    }
    match std::fs::metadata(&real) {
        Ok(about) if about.len() > IGNORE_LIMIT => return refuse("is longer than 1 MiB"),
        Ok(_) | Err(_) => {}
    }
    match std::fs::read(&real) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(err) => refuse(&format!("cannot be read: {err}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ports::Labels;
    use crate::core::spec::BuildSpec;
    use std::collections::BTreeMap;
    use std::os::unix::fs::symlink;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join("tree").join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        dir
    }

    fn find_in(
        dir: &tempfile::TempDir,
        context: &str,
        dockerfile: &str,
    ) -> Result<Place, EngineError> {
        find(&Build {
            tree: dir.path().join("tree"),
            spec: BuildSpec {
                context: context.to_owned(),
                dockerfile: dockerfile.to_owned(),
                target: None,
                args: BTreeMap::new(),
            },
            tag: String::new(),
            labels: Labels {
                app: String::new(),
                environment: String::new(),
                deployment: uuid::Uuid::nil(),
                serial: 0,
                generation: 0,
                role: String::new(),
            },
            registries: Vec::new(),
        })
    }

    #[test]
    fn a_dockerfile_is_found_in_the_context_and_beside_it() {
        let dir = tree(&["Dockerfile", "app/docker/Dockerfile", "other/Dockerfile"]);
        let name = |context, dockerfile| find_in(&dir, context, dockerfile).unwrap().dockerfile;
        assert_eq!(
            name(".", "./Dockerfile"),
            Dockerfile::Inside("Dockerfile".to_owned())
        );
        assert_eq!(
            name("app", "docker/Dockerfile"),
            Dockerfile::Inside("docker/Dockerfile".to_owned())
        );
        assert!(matches!(
            name("app", "../other/Dockerfile"),
            Dockerfile::Beside { .. }
        ));
        symlink("docker/Dockerfile", dir.path().join("tree/app/link")).unwrap();
        assert!(matches!(name("app", "link"), Dockerfile::Beside { .. }));
    }

    #[test]
    fn a_missing_dockerfile_names_those_that_are_there() {
        let dir = tree(&[
            "docker/Dockerfile.prod",
            "web.Dockerfile",
            ".git/Dockerfile",
            "Dockerfile.dockerignore",
            "a/b/c/Dockerfile",
        ]);
        let error = find_in(&dir, "./docker", "Dockerfile").unwrap_err();
        let similar = vec![
            "web.Dockerfile".to_owned(),
            "docker/Dockerfile.prod".to_owned(),
        ];
        let path = "docker/Dockerfile".to_owned();
        assert_eq!(error, EngineError::NoDockerfile { path, similar });
        assert!(matches!(
            find_in(&dir, ".", "docker"),
            Err(EngineError::NoDockerfile { .. })
        ));
    }

    #[test]
    fn nothing_leads_out_of_the_tree() {
        let dir = tree(&["Dockerfile", "in/Dockerfile", "secret/Dockerfile"]);
        let outside = dir.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("Dockerfile"), "").unwrap();
        std::fs::write(outside.join("list"), "").unwrap();
        symlink(&outside, dir.path().join("tree/link")).unwrap();
        symlink(outside.join("Dockerfile"), dir.path().join("tree/Linked")).unwrap();
        symlink(
            outside.join("list"),
            dir.path().join("tree/in/.dockerignore"),
        )
        .unwrap();
        let absolute = outside.to_str().unwrap();
        for context in [
            "..",
            "../outside",
            "link",
            absolute,
            "missing",
            "Dockerfile",
        ] {
            let error = find_in(&dir, context, "Dockerfile").unwrap_err();
            assert_eq!(error, EngineError::NoContext(context.to_owned()));
        }
        for dockerfile in ["../outside/Dockerfile", "link/Dockerfile", "Linked"] {
            let error = find_in(&dir, ".", dockerfile).unwrap_err();
            assert!(
                matches!(error, EngineError::Refused(_)),
                "{dockerfile}: {error:?}"
            );
        }
        assert!(matches!(
            find_in(&dir, "in", "Dockerfile"),
            Err(EngineError::Refused(_))
        ));
    }

    #[test]
    fn a_dockerfiles_own_list_wins_over_the_contexts() {
        let dir = tree(&["Dockerfile", "a", "b"]);
        std::fs::write(dir.path().join("tree/.dockerignore"), "a").unwrap();
        let excludes_a = || {
            find_in(&dir, ".", "Dockerfile")
                .unwrap()
                .ignore
                .judge("a", None)
                .excluded
        };
        assert!(excludes_a());
        std::fs::write(dir.path().join("tree/Dockerfile.dockerignore"), "b").unwrap();
        assert!(!excludes_a());
        std::fs::write(dir.path().join("tree/Dockerfile.dockerignore"), "[").unwrap();
        let error = find_in(&dir, ".", "Dockerfile").unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("Dockerfile.dockerignore: line 1"),
            "{error}"
        );
    }
}
