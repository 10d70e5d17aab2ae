//! The data path over real sockets on loopback, before apps that do byte for byte what a test says.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "ingress/bodies.rs"]
mod bodies;
#[path = "ingress/ending.rs"]
mod ending;
#[path = "ingress/forwarding.rs"]
mod forwarding;
#[path = "ingress/http2.rs"]
mod http2;
#[path = "ingress/keeping.rs"]
mod keeping;
#[path = "ingress/limits.rs"]
mod limits;
#[path = "ingress/observing.rs"]
mod observing;
#[path = "ingress/refusals.rs"]
mod refusals;
#[path = "ingress/routing.rs"]
mod routing;
#[path = "ingress/support.rs"]
mod support;
#[path = "ingress/swap.rs"]
mod swap;
#[path = "ingress/upgrades.rs"]
mod upgrades;
