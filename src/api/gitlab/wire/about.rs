//! What is asked first: which GitLab this is.

use serde::Serialize;

/// Which version of GitLab's API is spoken. `kas` and `enterprise` tell of parts that are not here.
#[derive(Serialize)]
pub(in crate::api::gitlab) struct Version {
    enterprise: bool,
    kas: Kas,
    revision: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Kas {
    enabled: bool,
    #[serde(rename = "externalUrl")]
    external_url: super::Nothing,
    version: super::Nothing,
}

/// The revision is our own version.
pub(in crate::api::gitlab) const VERSION: Version = Version {
    enterprise: false,
    kas: Kas {
        enabled: false,
        external_url: super::Nothing::HERE,
        version: super::Nothing::HERE,
    },
    revision: concat!("longshore-", env!("CARGO_PKG_VERSION")),
    version: "17.10.0",
};
