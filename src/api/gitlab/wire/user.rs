//! Who asked.

use crate::api::arrival::Base;
use crate::core::access::Principal;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

/// What stands for something else in a URL, or may (RFC 3986, section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A principal as GitLab's `UserBasic`.
#[derive(Clone, Serialize)]
pub(in crate::api::gitlab) struct User {
    avatar_url: super::Nothing,
    id: i64,
    locked: bool,
    name: String,
    public_email: super::Nothing,
    state: &'static str,
    username: String,
    web_url: String,
}

impl User {
    pub(in crate::api::gitlab) fn new(principal: &Principal, base: &Base) -> Self {
        Self {
            avatar_url: super::Nothing::HERE,
            id: principal.serial.0,
            locked: false,
            name: principal.name.clone(),
            public_email: super::Nothing::HERE,
            state: "active",
            username: principal.name.clone(),
            web_url: format!("{}/{}", base.api, encoded(&principal.name)),
        }
    }
}

/// A name as a part of a URL.
pub(in crate::api::gitlab) fn encoded(name: &str) -> String {
    utf8_percent_encode(name, RESERVED).to_string()
}
