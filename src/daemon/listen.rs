//! Which sockets are whose: those that systemd gave, else those of the configuration. The API and the ingress each take
//! what was given for them, and make their own only if nothing was.

use super::bind::{Made, bind_tcp, bind_unix};
use crate::config::{self, Config};
use crate::ingress;
use crate::serve::Socket;
use anyhow::bail;
use listenfd::ListenFd;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// The sockets of `longshore serve`, and where they are.
pub(super) struct Listening {
    pub(super) api: Vec<Socket>,
    /// Where the API is, for people.
    pub(super) at: String,
    /// With an ingress in the process.
    pub(super) ingress: Option<IngressListening>,
    /// What goes with the process.
    pub(super) made: Made,
}

/// The sockets of an ingress, and where they are.
pub(super) struct IngressListening {
    pub(super) sockets: ingress::Sockets,
    /// The unix socket.
    pub(super) control: PathBuf,
    /// Where the traffic comes in, for people; none if nowhere.
    pub(super) at: Option<String>,
}

/// The sockets of the API and, if it is embedded, of the ingress. Of systemd's those at the ingress's addresses are the
/// ingress's, all others the API's.
pub(super) async fn listen(config: &Config, given: ListenFd) -> anyhow::Result<Listening> {
    let mut made = Made::default();
    let given = take(given)?;
    let (for_ingress, for_api) = match config.ingress.embedded {
        true => given.of_ingress(&config.ingress),
        false => (Given::default(), given),
    };
    let ingress = match config.ingress.embedded {
        true => Some(of_ingress(&config.ingress, for_ingress, &mut made).await?),
        false => None,
    };
    let (api, at) = of_api(&config.api, for_api, &mut made).await?;
    Ok(Listening {
        api,
        at,
        ingress,
        made,
    })
}

/// The sockets of an ingress that is a process of its own: all that systemd gave are its.
pub(super) async fn listen_alone(
    ingress: &config::Ingress,
    given: ListenFd,
) -> anyhow::Result<(IngressListening, Made)> {
    let mut made = Made::default();
    let listening = of_ingress(ingress, take(given)?, &mut made).await?;
    Ok((listening, made))
}

/// The sockets that came with the process, by their kind.
#[derive(Default)]
struct Given {
    unix: Vec<(UnixListener, PathBuf)>,
    tcp: Vec<(TcpListener, SocketAddr)>,
}

fn take(mut given: ListenFd) -> anyhow::Result<Given> {
    let mut sockets = Given::default();
    for index in 0..given.len() {
        if let Ok(Some(listener)) = given.take_unix_listener(index) {
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            let path = address.as_pathname().unwrap_or(Path::new("(no path)"));
            let path = path.to_owned();
            sockets.unix.push((listener, path));
        } else if let Ok(Some(listener)) = given.take_tcp_listener(index) {
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            sockets.tcp.push((listener, address));
        } else {
            bail!(
                "socket {} of those systemd gave is neither a unix stream socket nor a TCP one: look at the units' ListenStream=",
                index + 1
            );
        }
    }
    Ok(sockets)
}

impl Given {
    /// Those at the ingress's addresses, and the others.
    fn of_ingress(self, ingress: &config::Ingress) -> (Self, Self) {
        let (unix, other_unix) = self
            .unix
            .into_iter()
            .partition(|(_, path)| *path == ingress.socket);
        let (tcp, other_tcp) = self
            .tcp
            .into_iter()
            .partition(|(_, address)| ingress.listen.contains(address));
        let others = Self {
            unix: other_unix,
            tcp: other_tcp,
        };
        (Self { unix, tcp }, others)
    }

    fn is_empty(&self) -> bool {
        self.unix.is_empty() && self.tcp.is_empty()
    }

    /// Where they are, for people.
    fn places(&self) -> Vec<String> {
        let unix = self.unix.iter().map(|(_, path)| path.display().to_string());
        let tcp = self.tcp.iter().map(|(_, address)| url(*address));
        unix.chain(tcp).collect()
    }

    fn has_unix(&self, path: &Path) -> bool {
        self.unix.iter().any(|(_, given)| given == path)
    }

    fn has_tcp(&self, address: SocketAddr) -> bool {
        self.tcp.iter().any(|(_, given)| *given == address)
    }
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// Systemd's own sockets are all there are: what the configuration says beside them is a half-truth that is told.
fn warn_of_missing(key: &str, place: &str, places: &[String]) {
    tracing::warn!(
        "{key} {place} is not among the sockets systemd gave ({}): nobody listens there",
        places.join(", ")
    );
}

async fn of_api(
    api: &config::Api,
    given: Given,
    made: &mut Made,
) -> anyhow::Result<(Vec<Socket>, String)> {
    if given.is_empty() {
        return bind_api(api, made).await;
    }
    let places = given.places();
    if !given.has_unix(&api.socket) {
        warn_of_missing("api.socket", &api.socket.display().to_string(), &places);
    }
    if let Some(address) = api.listen.filter(|address| !given.has_tcp(*address)) {
        warn_of_missing("api.listen", &address.to_string(), &places);
    }
    let mut sockets = Vec::new();
    for (listener, _) in given.unix {
        sockets.push(Socket::Unix(tokio::net::UnixListener::from_std(listener)?));
    }
    for (listener, _) in given.tcp {
        sockets.push(Socket::Tcp(tokio::net::TcpListener::from_std(listener)?));
    }
    Ok((sockets, format!("{} (from systemd)", places.join(" and "))))
}

async fn bind_api(api: &config::Api, made: &mut Made) -> anyhow::Result<(Vec<Socket>, String)> {
    let answered = "another program; stop it or choose another path";
    let unix = bind_unix("api.socket", &api.socket, answered, made).await?;
    let mut sockets = vec![Socket::Unix(tokio::net::UnixListener::from_std(unix)?)];
    let mut at = api.socket.display().to_string();
    if let Some(address) = api.listen {
        let listener = bind_tcp("api.listen", address)?;
        at = format!("{at} and {}", url(address));
        sockets.push(Socket::Tcp(tokio::net::TcpListener::from_std(listener)?));
    }
    Ok((sockets, at))
}

async fn of_ingress(
    ingress: &config::Ingress,
    given: Given,
    made: &mut Made,
) -> anyhow::Result<IngressListening> {
    let places = given.places();
    let (traffic, at) = if given.tcp.is_empty() {
        bind_traffic(&ingress.listen)?
    } else {
        for address in &ingress.listen {
            if !given.has_tcp(*address) {
                warn_of_missing("ingress.listen", &address.to_string(), &places);
            }
        }
        let at: Vec<String> = given.tcp.iter().map(|(_, at)| url(*at)).collect();
        let traffic = given.tcp.into_iter().map(|(listener, _)| listener);
        (
            traffic.collect(),
            Some(format!("{} (from systemd)", at.join(" and "))),
        )
    };
    let mut unix = given.unix.into_iter();
    let (socket, control) = match (unix.next(), unix.next()) {
        (Some(given), None) => given,
        (Some((_, one)), Some((_, another))) => bail!(
            "systemd gave the ingress two unix sockets, {} and {}: it is told its routes by one",
            one.display(),
            another.display()
        ),
        (None, _) => {
            let answered = "an ingress that runs already; stop that one, or let `longshore serve` use it with [ingress] embedded = false";
            let path = &ingress.socket;
            let socket = bind_unix("ingress.socket", path, answered, made).await?;
            (socket, path.clone())
        }
    };
    if control != ingress.socket {
        warn_of_missing(
            "ingress.socket",
            &ingress.socket.display().to_string(),
            &places,
        );
    }
    Ok(IngressListening {
        sockets: ingress::Sockets {
            traffic,
            control: socket,
        },
        control,
        at,
    })
}

fn bind_traffic(addresses: &[SocketAddr]) -> anyhow::Result<(Vec<TcpListener>, Option<String>)> {
    let bind = |address: &SocketAddr| bind_tcp("ingress.listen", *address);
    let traffic = addresses.iter().map(bind).collect::<Result<_, _>>()?;
    let at: Vec<String> = addresses.iter().copied().map(url).collect();
    let at = (!at.is_empty()).then(|| at.join(" and "));
    Ok((traffic, at))
}
