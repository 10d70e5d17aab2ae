//! What the data path is told about itself: how much, how long, whom it believes. Plain values with their defaults.

use ipnet::IpNet;
use std::path::PathBuf;
use std::time::Duration;

/// How requests are taken and passed on.
#[derive(Clone, Debug, PartialEq)]
pub struct IngressSettings {
    /// Where the route table is kept, so that it serves from its first moment without the control plane.
    pub data_dir: PathBuf,
    /// The proxies before it: from these addresses `X-Forwarded-*` and `Forwarded` are believed and continued, from others
    /// they are replaced.
    pub trusted_proxies: Vec<IpNet>,
    /// What is written of each request, to standard output.
    pub access_log: AccessLog,
    /// How long and how much, how many.
    pub limits: ProxyLimits,
}

/// What is written of each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessLog {
    /// Nothing.
    Off,
    /// A line in the Common Log Format, with host, time taken and request id behind it.
    Common,
    /// A JSON object.
    Json,
}

/// How long and how much, how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyLimits {
    /// Connections of clients at once.
    pub connections: usize,
    /// A request's head in bytes, request line included.
    pub head: usize,
    /// A request's body in bytes; none: any. It is streamed and never held.
    pub body: Option<u64>,
    /// From the first byte of a head to its end.
    pub head_timeout: Duration,
    /// Between requests on a connection, and before the first.
    pub idle_timeout: Duration,
    /// Between two pieces of a request's body from the client.
    pub read_timeout: Duration,
    /// Without the client taking a byte of an answer.
    pub write_timeout: Duration,
    /// From a request's end to the head of the app's answer, and between two pieces of its body.
    pub upstream_timeout: Duration,
    /// How long a request waits for an app that takes no connection: it is starting, or coming back.
    pub wait_timeout: Duration,
    /// How long requests under way may take to end when the ingress is stopped.
    pub shutdown_timeout: Duration,
}

impl Default for ProxyLimits {
    /// Each figure's reason is beside it.
    fn default() -> Self {
        Self {
            // As many as the API takes: ten thousand clients that keep a connection each, and room.
            connections: 16_384,
            // What usual servers take of cookies and tokens, with room.
            head: 64 * 1024,
            // How large an upload may be is the app's to say.
            body: None,
            // A head is one packet or a few.
            head_timeout: Duration::from_secs(10),
            // Longer than the 60 s that usual proxies and load balancers before us keep a connection.
            idle_timeout: Duration::from_secs(75),
            read_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(60),
            upstream_timeout: Duration::from_secs(60),
            // A container that is made again is back in about a second; who waits longer wants to know.
            wait_timeout: Duration::from_secs(3),
            shutdown_timeout: Duration::from_secs(10),
        }
    }
}
