//! GitHub's second id of everything, which clients hand on and do not look into.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The id of something of this type: `MDEwOkRlcGxveW1lbnQx` is the first deployment's.
pub(super) fn id(kind: &str, id: impl std::fmt::Display) -> String {
    STANDARD.encode(format!("0{}:{kind}{id}", kind.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_that_were_seen() {
        for (kind, expected) in [
            ("Deployment", "MDEwOkRlcGxveW1lbnQx"),
            ("DeploymentStatus", "MDE2OkRlcGxveW1lbnRTdGF0dXMx"),
            ("Status", "MDY6U3RhdHVzMQ=="),
            ("User", "MDQ6VXNlcjE="),
        ] {
            assert_eq!(id(kind, 1), expected);
        }
    }
}
