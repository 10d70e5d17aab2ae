//! The sockets the API is at: those that systemd gave, else those of the configuration.

use crate::config;
use crate::serve::Socket;
use anyhow::{Context as _, bail};
use listenfd::ListenFd;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use tokio::net::{TcpListener, TcpSocket, UnixListener, UnixStream};

/// The group whose members may use the unix socket.
const GROUP: &str = "longshore";

/// Connections that wait to be accepted; the kernel's own limit, as systemd's sockets have it. Beyond it a client waits
/// a second before it tries again.
const BACKLOG: u32 = 4096;

/// What a process may have open if the system does not say.
const USUAL_OPEN_FILES: u64 = 1024;

/// The sockets, and where they are.
pub(super) struct Listening {
    pub(super) sockets: Vec<Socket>,
    /// Where, for people.
    pub(super) at: String,
    /// The socket file we made. One that came from systemd is systemd's.
    made: Option<PathBuf>,
}

impl Listening {
    /// What is to be removed at the end.
    pub(super) fn made(&self) -> Option<PathBuf> {
        self.made.clone()
    }
}

/// Takes the sockets of systemd if it gave any, else binds those of the configuration.
pub(super) async fn listen(api: &config::Api, given: ListenFd) -> anyhow::Result<Listening> {
    let given = take(given)?;
    if given.is_empty() {
        return bind(api).await;
    }
    let (mut sockets, mut places) = (Vec::new(), Vec::new());
    let (mut unix, mut tcp) = (Vec::new(), Vec::new());
    for socket in given {
        match socket {
            Given::Unix(listener, path) => {
                places.push(path.display().to_string());
                unix.push(path);
                sockets.push(Socket::Unix(listener));
            }
            Given::Tcp(listener, address) => {
                places.push(format!("http://{address}"));
                tcp.push(address);
                sockets.push(Socket::Tcp(listener));
            }
        }
    }
    if !unix.contains(&api.socket) {
        tracing::warn!(
            "api.socket {} is not among the sockets systemd gave ({}): nobody listens there",
            api.socket.display(),
            places.join(", ")
        );
    }
    if let Some(address) = api.listen.filter(|address| !tcp.contains(address)) {
        tracing::warn!(
            "api.listen {address} is not among the sockets systemd gave ({}): nobody listens there",
            places.join(", ")
        );
    }
    Ok(Listening {
        sockets,
        at: format!("{} (from systemd)", places.join(" and ")),
        made: None,
    })
}

enum Given {
    Unix(UnixListener, PathBuf),
    Tcp(TcpListener, SocketAddr),
}

/// The sockets that came with the process, by their kind.
fn take(mut given: ListenFd) -> anyhow::Result<Vec<Given>> {
    let mut sockets = Vec::new();
    for index in 0..given.len() {
        if let Ok(Some(listener)) = given.take_unix_listener(index) {
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            let path = address.as_pathname().unwrap_or(Path::new("(no path)"));
            let path = path.to_owned();
            sockets.push(Given::Unix(UnixListener::from_std(listener)?, path));
        } else if let Ok(Some(listener)) = given.take_tcp_listener(index) {
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            sockets.push(Given::Tcp(TcpListener::from_std(listener)?, address));
        } else {
            bail!(
                "socket {} of those systemd gave is neither a unix stream socket nor a TCP one: look at the units' ListenStream=",
                index + 1
            );
        }
    }
    Ok(sockets)
}

async fn bind(api: &config::Api) -> anyhow::Result<Listening> {
    let mut sockets = vec![Socket::Unix(bind_unix(&api.socket).await?)];
    let mut at = api.socket.display().to_string();
    if let Some(address) = api.listen {
        let listener =
            bind_tcp(address).with_context(|| format!("cannot listen on api.listen {address}"))?;
        at = format!("{at} and http://{address}");
        sockets.push(Socket::Tcp(listener));
    }
    Ok(Listening {
        sockets,
        at,
        made: Some(api.socket.clone()),
    })
}

fn bind_tcp(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Connections of the process before this one may still be ending.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Binds the unix socket, readable and writable for our group. A socket that nobody answers on any more is replaced.
async fn bind_unix(path: &Path) -> anyhow::Result<UnixListener> {
    if let Some(parent) = path.parent() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(parent)
            .with_context(|| {
                format!("cannot make the directory of api.socket {}", path.display())
            })?;
    }
    if UnixStream::connect(path).await.is_ok() {
        bail!(
            "api.socket {} is answered by another program; stop it or choose another path",
            path.display()
        );
    }
    remove(path);
    let listener = UnixListener::bind(path)
        .with_context(|| format!("cannot listen on api.socket {}", path.display()))?;
    // The unit's own group needs no chown, which its filter of system calls refuses.
    let made_with = std::fs::metadata(path).map(|metadata| metadata.gid()).ok();
    if let Ok(Some(group)) = nix::unistd::Group::from_name(GROUP)
        && made_with != Some(group.gid.as_raw())
        && let Err(error) = nix::unistd::chown(path, None, Some(group.gid))
    {
        tracing::warn!(%error, "the socket could not be given to group {GROUP}: only this user can use it");
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))
        .with_context(|| format!("cannot set the mode of {}", path.display()))?;
    Ok(listener)
}

/// Removes a socket's file.
pub(super) fn remove(path: &Path) {
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
