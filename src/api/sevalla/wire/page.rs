//! A page of something.

use crate::api::sevalla::parse::{MAX_OFFSET, Page as Asked};
use serde::Serialize;

/// A part of a list. Clients go on until `offset + limit` reaches `total`, so all three are what was used.
#[derive(Serialize)]
pub(in crate::api::sevalla) struct Page<T> {
    data: Vec<T>,
    limit: u32,
    offset: u64,
    total: u64,
}

impl<T> Page<T> {
    pub(in crate::api::sevalla) fn new(data: Vec<T>, asked: Asked, total: u64) -> Self {
        Self {
            data,
            limit: asked.limit,
            offset: asked.offset,
            // What lies further down cannot be asked for.
            total: total.min(MAX_OFFSET),
        }
    }
}
