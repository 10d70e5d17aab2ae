//! Which ports a container's processes listen on, read from the kernel's tables of its network namespace.

use super::connection::Docker;
use super::observe;
use crate::core::ports::EngineError;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The state of a listening socket in the kernel's tables.
const LISTEN: &str = "0A";

/// The engine's own name server, which listens inside every container of a network of ours.
const ENGINES_DNS: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 11));

/// The TCP addresses a container listens on, as far as they can be seen from here.
pub async fn addresses(docker: &Docker, name: &str) -> Result<Vec<SocketAddr>, EngineError> {
    let Some(found) = observe::look(docker, name).await? else {
        return Err(EngineError::NotFound(format!(
            "there is no container '{name}'"
        )));
    };
    let pid = found
        .state
        .and_then(|state| state.pid)
        .filter(|pid| *pid > 0);
    let (Some(pid), Some(id), true) = (pid, found.id, docker.is_local()) else {
        return Ok(Vec::new());
    };
    if !belongs_to(pid, &id).await {
        return Ok(Vec::new());
    }
    let mut all = Vec::new();
    for table in ["tcp", "tcp6"] {
        let path = format!("/proc/{pid}/net/{table}");
        all.extend(parse(
            &tokio::fs::read_to_string(path).await.unwrap_or_default(),
        ));
    }
    all.retain(|address| address.ip() != ENGINES_DNS);
    Ok(all)
}

/// Whether this process is the container's: the engine's numbers are not ours if it runs in a namespace of its own,
/// and a process may have ended since it was asked.
async fn belongs_to(pid: i64, container: &str) -> bool {
    tokio::fs::read_to_string(format!("/proc/{pid}/cgroup"))
        .await
        .is_ok_and(|groups| groups.contains(container))
}

/// The listening sockets of `/proc/<pid>/net/tcp` or `tcp6`; lines that do not fit are passed over.
pub fn parse(table: &str) -> Vec<SocketAddr> {
    table
        .lines()
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace().skip(1);
            let (local, _remote, state) = (fields.next()?, fields.next()?, fields.next()?);
            (state == LISTEN).then(|| socket(local)).flatten()
        })
        .collect()
}

/// `0100007F:1F90`: the address in words of the machine's own byte order, the port as a number.
fn socket(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut bytes = Vec::with_capacity(16);
    for word in address.as_bytes().chunks(8) {
        let word = u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()?;
        bytes.extend(word.to_ne_bytes());
    }
    let ip = if let Ok(v4) = <[u8; 4]>::try_from(bytes.as_slice()) {
        IpAddr::V4(Ipv4Addr::from(v4))
    } else {
        IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?))
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0000 100 0 0 10 0
   1: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2 1 0000 100 0 0 10 0
   2: 0200D50A:0050 0100D50A:C350 01 00000000:00000000 00:00000000 00000000     0        0 3 1 0000 100 0 0 10 0
";

    #[test]
    #[cfg(target_endian = "little")]
    fn only_listening_sockets_count() {
        assert_eq!(
            parse(TABLE),
            [
                "127.0.0.1:8080".parse().unwrap(),
                "0.0.0.0:80".parse().unwrap()
            ]
        );
        let six = "0: 00000000000000000000000001000000:0016 0:0 0A\n 1: 00000000000000000000000000000000:0050 0:0 0A";
        assert_eq!(
            parse(six),
            ["[::1]:22".parse().unwrap(), "[::]:80".parse().unwrap()]
        );
    }

    proptest! {
        #[test]
        fn any_text_is_a_table(text in "[ 0-9A-F:\n\u{e9}]{0,200}") {
            let _ = parse(&text);
        }
    }
}
