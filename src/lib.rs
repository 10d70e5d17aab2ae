//! longshore turns one Linux host with Docker into a place to deploy to.

pub mod api;
pub mod cli;
pub mod clock;
pub mod config;
pub mod core;
pub mod daemon;
pub mod deploy;
pub mod engine;
pub mod ingress;
pub mod serve;
pub mod source;
pub mod store;
