//! What longshore is about, as plain values: apps, deployments, releases, who may ask for what, and the
//! ports through which the rest of the program reaches the world. Nothing here does I/O, and time is
//! always an argument.

pub mod access;
pub mod action;
pub mod address;
pub mod admission;
pub mod adoption;
pub mod app;
pub mod change;
pub mod command;
pub mod container;
pub mod deployment;
pub mod drift;
pub mod env_file;
pub mod environment;
pub mod error;
pub mod event;
pub mod explain;
pub mod failure;
pub mod hook;
pub mod id;
pub mod ingress;
pub mod listing;
pub mod log;
pub mod measure;
pub mod name;
pub mod one_off;
pub mod operation;
pub mod planned;
pub mod ports;
pub mod process;
pub mod project;
pub mod rate;
pub mod recorded;
pub mod redact;
pub mod reference;
pub mod release;
pub mod reload;
pub mod restored;
pub mod retention;
pub mod route;
pub mod runtime;
pub mod secret;
pub mod spec;
pub mod time;
