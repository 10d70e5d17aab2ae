//! longshore turns one Linux host with Docker into a place to deploy to.

pub mod cli;
pub mod config;
pub mod core;
pub mod deploy;
pub mod engine;
pub mod source;
pub mod store;
