//! What each environment runs, and what it was made with: one side of the comparison with the configuration.

use super::rows::{from_json, inconsistent, uuid};
use super::{Store, StoreError};
use crate::core::name::EnvironmentName;
use crate::core::release::ReleaseContent;
use crate::core::spec::Spec;
use uuid::Uuid;

/// A live release with the spec of the deployment that made it.
#[derive(Clone, Debug)]
pub struct Running {
    /// The app.
    pub app: Uuid,
    /// The environment.
    pub environment: EnvironmentName,
    /// What runs.
    pub content: ReleaseContent,
    /// What it was made with; not known of a release that was adopted.
    pub made_with: Option<Spec>,
}

impl Store {
    /// The live release of every environment that has one.
    ///
    /// # Errors
    /// If the database fails.
    pub fn running(&self) -> Result<Vec<Running>, StoreError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT e.serial, a.uuid, e.name, r.content, d.spec FROM environment e JOIN app a ON a.serial = e.app
                 JOIN release r ON r.serial = e.live_release JOIN deployment d ON d.serial = r.deployment
                 WHERE e.removed_at IS NULL",
            )?;
            let mut rows = statement.query([])?;
            let mut running = Vec::new();
            while let Some(row) = rows.next()? {
                let serial: i64 = row.get(0)?;
                let spec: Option<String> = row.get(4)?;
                running.push(Running {
                    app: uuid("app", serial, &row.get::<_, String>(1)?)?,
                    environment: EnvironmentName::any(&row.get::<_, String>(2)?)
                        .map_err(|error| inconsistent("environment", serial, error.0))?,
                    content: from_json("release", serial, &row.get::<_, String>(3)?)?,
                    made_with: spec
                        .map(|text| from_json("deployment", serial, &text))
                        .transpose()?,
                });
            }
            Ok(running)
        })
    }
}
