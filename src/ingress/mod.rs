//! The data path. Until there is a proxy it holds no routes: a table is acknowledged at once, and the part that asks
//! containers whether they are ready is all it does.

mod probe;

use crate::core::ports::{Ingress, IngressError, Probe, ProbeAnswer, Table};
use async_trait::async_trait;
use uuid::Uuid;

/// An ingress without routes.
#[derive(Debug, Default)]
pub struct NoRoutes;

#[async_trait]
impl Ingress for NoRoutes {
    async fn publish(&self, table: &Table) -> Result<i64, IngressError> {
        Ok(table.generation)
    }

    async fn held(&self, _: Uuid) -> Result<Option<i64>, IngressError> {
        Ok(None)
    }

    async fn probe(&self, probe: &Probe) -> ProbeAnswer {
        probe::ask(probe).await
    }
}
