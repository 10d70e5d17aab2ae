//! The build context as a stream: a tar made while the engine reads it, never whole in memory.

use super::ignore::{Ignore, Verdict};
use super::place::{Dockerfile, Place};
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use tokio_util::io::{ReaderStream, SyncIoBridge};
use walkdir::WalkDir;

/// How far the writer may be ahead of the engine, and the size of the pieces.
const BUFFER: usize = 64 * 1024;

/// Why the context could not be written, once that is known. The engine only sees a request that was cut off.
pub type Fault = Arc<OnceLock<String>>;

/// The tar as a body. An error of the writer goes through it as an error: ended early, a tar looks complete.
pub fn stream(
    place: Place,
) -> (
    impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    Fault,
) {
    let fault = Fault::default();
    let (read, write) = tokio::io::duplex(BUFFER);
    let writer = tokio::task::spawn_blocking(move || -> io::Result<()> {
        let mut tar = tar::Builder::new(SyncIoBridge::new(write));
        write_tar(&mut tar, &place)?;
        tar.into_inner()?.flush()
    });
    let noted = Arc::clone(&fault);
    let end = stream::once(async move {
        let error = match writer.await {
            Ok(Ok(())) => return None,
            Ok(Err(error)) => error,
            Err(panicked) => io::Error::other(panicked),
        };
        let _ = noted.set(error.to_string());
        Some(Err(error))
    })
    .filter_map(|end| async { end });
    (ReaderStream::with_capacity(read, BUFFER).chain(end), fault)
}

fn write_tar(tar: &mut tar::Builder<impl Write>, place: &Place) -> io::Result<()> {
    tar.mode(tar::HeaderMode::Deterministic);
    tar.follow_symlinks(false);
    let always: &[&str] = &[place.dockerfile.name(), ".dockerignore"];
    walk(&place.context, &place.ignore, always, |path, relative| {
        append(tar, path, relative).map_err(|err| named(&err, relative))
    })?;
    match &place.dockerfile {
        Dockerfile::Inside(_) => Ok(()),
        Dockerfile::Beside { name, file } => append(tar, file, Path::new(name)),
    }
}

/// Visits what is to be sent, in the order of names: each file with the directories it is in. What is `always` sent
/// no pattern can leave out.
fn walk(
    root: &Path,
    ignore: &Ignore,
    always: &[&str],
    mut send: impl FnMut(&Path, &Path) -> io::Result<()>,
) -> io::Result<()> {
    // The directories on the way to here: the verdict on each, and whether it was sent.
    let mut open: Vec<(PathBuf, Verdict, bool)> = Vec::new();
    let mut entries = WalkDir::new(root)
        .min_depth(1)
        .sort_by_file_name()
        .into_iter();
    while let Some(entry) = entries.next() {
        let entry = entry?;
        open.truncate(entry.depth() - 1);
        let relative = entry.path().strip_prefix(root).map_err(io::Error::other)?;
        let name = relative.to_string_lossy();
        let verdict = ignore.judge(&name, open.last().map(|(_, verdict, _)| verdict));
        let wanted = !verdict.excluded || always.contains(&name.as_ref());
        if wanted {
            for (directory, _, sent) in open.iter_mut().filter(|(_, _, sent)| !sent) {
                send(&root.join(&directory), directory)?;
                *sent = true;
            }
            send(entry.path(), relative)?;
        }
        if entry.file_type().is_dir() {
            let leads_on = always
                .iter()
                .any(|path| Path::new(path).starts_with(relative));
            if !wanted && !leads_on && !ignore.has_exceptions() {
                entries.skip_current_dir();
            }
            open.push((relative.to_owned(), verdict, wanted));
        }
    }
    Ok(())
}

/// Appends one file, directory or symbolic link, as it is. Sockets, pipes and devices are no part of a repository
/// and are passed over, as Docker does with sockets.
fn append(tar: &mut tar::Builder<impl Write>, path: &Path, name: &Path) -> io::Result<()> {
    let about = fs::symlink_metadata(path)?;
    let mut header = tar::Header::new_gnu();
    header.set_metadata_in_mode(&about, tar::HeaderMode::Deterministic);
    if about.is_file() {
        let content = Exactly {
            file: File::open(path)?,
            left: about.len(),
        };
        header.set_size(about.len());
        tar.append_data(&mut header, name, content)
    } else if about.is_symlink() {
        header.set_size(0);
        tar.append_link(&mut header, name, fs::read_link(path)?)
    } else if about.is_dir() {
        header.set_size(0);
        tar.append_data(&mut header, name, io::empty())
    } else {
        Ok(())
    }
}

/// A file's bytes, as many as its header says: a file that changes its size would make the rest of the tar
/// unreadable.
struct Exactly {
    file: File,
    left: u64,
}

impl Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let count = self.file.read(&mut buffer[..most])?;
        if count == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file became shorter while it was read",
            ));
        }
        self.left -= count as u64;
        Ok(count)
    }
}

fn named(error: &io::Error, path: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn sent(files: &[&str], patterns: &str, always: &[&str]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let ignore = Ignore::parse(patterns).unwrap();
        let mut all = Vec::new();
        walk(dir.path(), &ignore, always, |path, relative| {
            let slash = if path.is_dir() { "/" } else { "" };
            all.push(format!("{}{slash}", relative.display()));
            Ok(())
        })
        .unwrap();
        all
    }

    #[test]
    fn a_kept_file_brings_its_directories_and_an_excluded_one_leaves_no_trace() {
        let files = ["Dockerfile", "a/b/keep", "a/b/drop", "a/c/drop", "z/drop"];
        assert_eq!(
            sent(&files, "*\n!**/keep", &["Dockerfile"]),
            ["Dockerfile", "a/", "a/b/", "a/b/keep"]
        );
        assert_eq!(
            sent(
                &["docker/Dockerfile", "docker/x"],
                "docker",
                &["docker/Dockerfile"]
            ),
            ["docker/", "docker/Dockerfile"]
        );
        assert_eq!(
            sent(&["a/b", "a-b", "b"], "", &[]),
            ["a/", "a/b", "a-b", "b"]
        );
    }

    #[tokio::test]
    async fn links_are_sent_as_links_and_long_names_survive() {
        let dir = tempfile::tempdir().unwrap();
        let long = "d".repeat(120);
        fs::create_dir(dir.path().join(&long)).unwrap();
        fs::write(dir.path().join(&long).join("file"), "text").unwrap();
        symlink("/etc/passwd", dir.path().join("link")).unwrap();
        let place = Place {
            context: dir.path().to_owned(),
            dockerfile: Dockerfile::Inside("Dockerfile".to_owned()),
            ignore: Ignore::default(),
        };
        let (stream, fault) = stream(place);
        let pieces: Vec<Bytes> = stream.map(Result::unwrap).collect().await;
        let mut archive = tar::Archive::new(io::Cursor::new(pieces.concat()));
        let found: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let target = entry.link_name().unwrap().map(|target| target.into_owned());
                (entry.path().unwrap().into_owned(), target)
            })
            .collect();
        let file = Path::new(&long).join("file");
        assert_eq!(
            found,
            [
                (long.into(), None),
                (file, None),
                ("link".into(), Some("/etc/passwd".into()))
            ]
        );
        assert_eq!(fault.get(), None);
    }

    #[tokio::test]
    async fn what_cannot_be_read_ends_the_stream_with_an_error() {
        let place = Place {
            context: PathBuf::from("/nonexistent"),
            dockerfile: Dockerfile::Inside("Dockerfile".to_owned()),
            ignore: Ignore::default(),
        };
        let (stream, fault) = stream(place);
        let pieces: Vec<_> = stream.collect().await;
        assert!(pieces.last().unwrap().is_err());
        assert!(fault.get().is_some());
    }

    #[test]
    fn a_file_that_shrinks_is_an_error_and_one_that_grows_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "1234").unwrap();
        let read = |left| {
            let mut text = String::new();
            let file = File::open(&path).unwrap();
            Exactly { file, left }
                .read_to_string(&mut text)
                .map(|_| text)
        };
        assert_eq!(read(2).unwrap(), "12");
        assert_eq!(read(5).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
