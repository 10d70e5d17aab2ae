//! Making listening sockets, as systemd would.

use anyhow::{Context as _, bail};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{setsockopt, sockopt};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use tokio::net::{TcpSocket, UnixStream};

/// The group whose members may use the unix sockets.
const GROUP: &str = "longshore";

/// Connections that wait to be accepted; the kernel's own limit, as systemd's sockets have it. Beyond it a client waits
/// a second before it tries again.
const BACKLOG: u32 = 4096;

/// What a process may have open if the system does not say.
const USUAL_OPEN_FILES: u64 = 1024;

/// Socket files that are ours; they go when this does. One that came from systemd is systemd's.
#[derive(Debug, Default)]
pub(super) struct Made(Vec<PathBuf>);

impl Drop for Made {
    fn drop(&mut self) {
        for path in &self.0 {
            remove(path);
        }
    }
}

/// Binds a TCP address; `key` is what names it in the configuration.
pub(super) fn bind_tcp(key: &str, address: SocketAddr) -> anyhow::Result<std::net::TcpListener> {
    let bind = || -> std::io::Result<std::net::TcpListener> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => {
                let socket = TcpSocket::new_v6()?;
                // The two families are apart, so that each can be named, and both together.
                setsockopt(&socket, sockopt::Ipv6V6Only, &true)?;
                socket
            }
        };
        // Connections of the process before this one may still be ending.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)?.into_std()
    };
    bind().with_context(|| format!("cannot listen on {key} {address}"))
}

/// Binds a unix socket, readable and writable for our group. A socket that nobody answers on any more is replaced; one
/// that is answered is refused with these words.
pub(super) async fn bind_unix(
    key: &str,
    path: &Path,
    answered: &str,
    made: &mut Made,
) -> anyhow::Result<UnixListener> {
    if let Some(parent) = path.parent() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(parent)
            .with_context(|| format!("cannot make the directory of {key} {}", path.display()))?;
    }
    if UnixStream::connect(path).await.is_ok() {
        bail!("{key} {} is answered by {answered}", path.display());
    }
    remove(path);
    let listener = UnixListener::bind(path)
        .with_context(|| format!("cannot listen on {key} {}", path.display()))?;
    made.0.push(path.to_owned());
    // The unit's own group needs no chown, which its filter of system calls refuses.
    let made_with = std::fs::metadata(path).map(|metadata| metadata.gid()).ok();
    if let Ok(Some(group)) = nix::unistd::Group::from_name(GROUP)
        && made_with != Some(group.gid.as_raw())
        && let Err(error) = nix::unistd::chown(path, None, Some(group.gid))
    {
        tracing::warn!(%error, "{key} could not be given to group {GROUP}: only this user can use it");
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))
        .with_context(|| format!("cannot set the mode of {}", path.display()))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Removes a socket's file.
fn remove(path: &Path) {
    match std::fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(%error, "{} cannot be removed", path.display()),
    }
}

/// Raises the number of files this process may open to what the system allows, and returns it: each connection is one.
pub(super) fn raise_open_files() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return USUAL_OPEN_FILES;
    };
    match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(_) => soft,
    }
}
