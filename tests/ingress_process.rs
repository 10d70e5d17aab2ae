//! The ingress as a process: it serves without the control plane and without Docker, keeps what it acknowledged through
//! any end, and restarts without a failed request. The real program, and upstreams that are small servers of the test's.
#![expect(
    clippy::unwrap_used,
    reason = "in what the tests share, a panic is a failed test too"
)]

#[path = "support/program.rs"]
#[expect(dead_code, reason = "another test file uses the rest")]
mod program;

#[path = "ingress_process/control.rs"]
mod control;
#[path = "ingress_process/embedded.rs"]
mod embedded;
#[path = "ingress_process/kills.rs"]
mod kills;
#[path = "ingress_process/load.rs"]
mod load;
#[path = "ingress_process/restarts.rs"]
mod restarts;
#[path = "ingress_process/stage.rs"]
mod stage;
#[path = "ingress_process/upstream.rs"]
mod upstream;
