//! Files that are put into a container before it is started: through the engine's archive, so that no path of this host is
//! needed and nothing of them is left when the container is removed.

use super::connection::{Docker, HEAVY};
use super::observe;
use crate::core::ports::{EngineError, FileInside};
use bollard::query_parameters::{
    DownloadFromContainerOptionsBuilder, UploadToContainerOptionsBuilder,
};
use std::io::Read as _;

/// Its owner reads it, and nobody else.
const MODE: u32 = 0o400;
/// The longest `/etc/passwd` that is looked into.
const LONGEST_PASSWD: usize = 1 << 20;

/// Whose a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Owner {
    user: u64,
    group: u64,
}

const ROOT: Owner = Owner { user: 0, group: 0 };

/// Puts the files into a container that was not started.
pub async fn put(docker: &Docker, name: &str, files: &[FileInside]) -> Result<(), EngineError> {
    if files.is_empty() {
        return Ok(());
    }
    let archive = archive(files, owner(docker, name).await?)
        .map_err(|error| EngineError::Refused(format!("a file for the container: {error}")))?;
    docker
        .call(HEAVY, |client| async move {
            let options = UploadToContainerOptionsBuilder::new().path("/").build();
            let body = bollard::body_full(archive.into());
            client.upload_to_container(name, Some(options), body).await
        })
        .await
}

/// The user its program is started as. A name is looked up where the program would be: one that is not there the engine
/// refuses to start it as.
async fn owner(docker: &Docker, name: &str) -> Result<Owner, EngineError> {
    let found = observe::look(docker, name).await?;
    let user = found
        .and_then(|found| found.config?.user)
        .unwrap_or_default();
    if let Some(known) = by_number(&user) {
        return Ok(known);
    }
    let passwd = passwd(docker, name).await?;
    Ok(by_name(&user, &passwd).unwrap_or(ROOT))
}

/// The container's `/etc/passwd`; empty if it has none.
async fn passwd(docker: &Docker, name: &str) -> Result<String, EngineError> {
    let client = docker.client().await?;
    let options = DownloadFromContainerOptionsBuilder::new()
        .path("/etc/passwd")
        .build();
    let mut stream = Box::pin(client.download_from_container(name, Some(options)));
    let mut archive = Vec::new();
    while let Some(piece) = docker.next(&mut stream).await? {
        match piece.map_err(|error| docker.explain(&error)) {
            Ok(bytes) if archive.len() + bytes.len() <= LONGEST_PASSWD => archive.extend(bytes),
            Ok(_) | Err(EngineError::NotFound(_)) => return Ok(String::new()),
            Err(error) => return Err(error),
        }
    }
    let mut text = String::new();
    let mut archive = tar::Archive::new(archive.as_slice());
    let entry = archive
        .entries()
        .ok()
        .and_then(|mut entries| entries.next());
    if let Some(Ok(mut entry)) = entry {
        // What is no text names nobody.
        let _ = entry.read_to_string(&mut text);
    }
    Ok(text)
}

fn by_number(user: &str) -> Option<Owner> {
    let (user, group) = user.split_once(':').unwrap_or((user, ""));
    let group = group.parse().unwrap_or(ROOT.group);
    match user {
        "" => Some(Owner { group, ..ROOT }),
        digits => digits.parse().ok().map(|user| Owner { user, group }),
    }
}

fn by_name(user: &str, passwd: &str) -> Option<Owner> {
    let (name, _) = user.split_once(':').unwrap_or((user, ""));
    let line = passwd.lines().find(|line| {
        line.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with(':'))
    })?;
    let mut fields = line.split(':').skip(2);
    Some(Owner {
        user: fields.next()?.parse().ok()?,
        group: fields.next()?.parse().ok()?,
    })
}

fn archive(files: &[FileInside], owner: Owner) -> std::io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for file in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(MODE);
        header.set_uid(owner.user);
        header.set_gid(owner.group);
        header.set_mtime(0);
        header.set_size(file.content.len() as u64);
        tar.append_data(
            &mut header,
            file.path.trim_start_matches('/'),
            file.content.as_bytes(),
        )?;
    }
    tar.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_is_the_user_the_program_is_started_as() {
        let of = |user, group| Some(Owner { user, group });
        assert_eq!(by_number(""), of(0, 0));
        assert_eq!(by_number("1000"), of(1000, 0));
        assert_eq!(by_number("1000:50"), of(1000, 50));
        assert_eq!(by_number("app"), None);
        let passwd =
            "root:x:0:0::/root:/bin/sh\napplication:x:7:7::/:\napp:x:1001:1002::/:/bin/sh\n";
        assert_eq!(by_name("app", passwd), of(1001, 1002));
        assert_eq!(by_name("app:staff", passwd), of(1001, 1002));
        assert_eq!(by_name("nobody", passwd), None);
    }

    #[test]
    fn an_archive_holds_each_file_for_its_owner_alone() {
        let file = FileInside {
            path: "/run/deploy/payload.json".into(),
            content: "{}".into(),
        };
        let owner = Owner {
            user: 1000,
            group: 50,
        };
        let bytes = archive(&[file], owner).unwrap();
        let mut read = tar::Archive::new(bytes.as_slice());
        let mut entries = read.entries().unwrap();
        let mut entry = entries.next().unwrap().unwrap();
        assert_eq!(
            entry.path().unwrap().to_str(),
            Some("run/deploy/payload.json")
        );
        assert_eq!(entry.header().mode().unwrap(), 0o400);
        assert_eq!(entry.header().uid().unwrap(), 1000);
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        assert_eq!(text, "{}");
    }
}
