//! Where a deployment hook is: the one way in which every dialect that shows it writes the address.

use super::arrival::Base;
use crate::core::hook::{self, HookView};

/// The address whose call deploys. It is a secret.
pub(super) fn address(base: &Base, view: &HookView) -> String {
    format!("{}{}", base.api, hook::path(view.id, &view.secret))
}
