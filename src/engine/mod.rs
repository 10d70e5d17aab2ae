//! The Docker engine, through bollard: the only place that talks to it. Every call can be repeated, and nothing
//! that does not carry this instance's label is ever changed.

mod build;
mod collect;
mod connection;
mod container;
mod events;
mod failure;
mod files;
mod image;
mod labels;
mod lifecycle;
mod listening;
mod network;
mod observe;
mod output;
pub mod pool;
mod pull;
mod raw;
mod volume;
mod work;

pub use connection::Docker;

use crate::core::container::OutputCursor;
use crate::core::name::ImageReference;
use crate::core::ports::{
    Build, ContainerSpec, Engine, EngineError, EngineEvent, HostImage, Network, Observed,
    OutputLine, RegistryCredential, RestartPolicy, Seen, Work,
};
use crate::core::release::Image;
use async_trait::async_trait;
use futures_util::stream::BoxStream;
use std::net::SocketAddr;
use std::time::Duration;

#[async_trait]
impl Engine for Docker {
    fn build<'a>(&'a self, build: &'a Build) -> Work<'a, Image, EngineError> {
        work::talking(move |out| build::run(self, build, out))
    }

    fn pull<'a>(
        &'a self,
        image: &'a ImageReference,
        credential: Option<&'a RegistryCredential>,
    ) -> Work<'a, Image, EngineError> {
        work::talking(move |out| pull::run(self, image, credential, out))
    }

    async fn find_image(&self, reference: &str) -> Result<Option<Image>, EngineError> {
        image::find(self, reference).await
    }

    async fn tag(&self, image: &str, tag: &str) -> Result<(), EngineError> {
        image::tag(self, image, tag).await
    }

    async fn untag(&self, tag: &str) -> Result<(), EngineError> {
        image::untag(self, tag).await
    }

    async fn ensure_network(&self, network: &Network) -> Result<(), EngineError> {
        network::ensure(self, network).await
    }

    async fn remove_network(&self, name: &str) -> Result<(), EngineError> {
        network::remove(self, name).await
    }

    async fn join(&self, network: &str, container: &str, alias: &str) -> Result<(), EngineError> {
        network::join(self, network, container, Some(alias)).await
    }

    async fn dissolve_network(&self, name: &str) -> Result<(), EngineError> {
        network::dissolve(self, name).await
    }

    async fn remove_volume(&self, name: &str) -> Result<(), EngineError> {
        volume::remove(self, name).await
    }

    async fn create(&self, container: &ContainerSpec) -> Result<(), EngineError> {
        container::create(self, container).await
    }

    async fn start(&self, name: &str) -> Result<(), EngineError> {
        lifecycle::start(self, name).await
    }

    async fn stop(&self, name: &str, grace: Duration) -> Result<(), EngineError> {
        lifecycle::stop(self, name, grace).await
    }

    async fn set_restart(&self, name: &str, policy: RestartPolicy) -> Result<(), EngineError> {
        lifecycle::set_restart(self, name, policy).await
    }

    async fn remove(&self, name: &str) -> Result<(), EngineError> {
        lifecycle::remove(self, name).await
    }

    async fn inspect(&self, name: &str) -> Result<Option<Observed>, EngineError> {
        observe::inspect(self, name).await
    }

    fn output<'a>(
        &'a self,
        name: &'a str,
        after: Option<OutputCursor>,
        follow: bool,
    ) -> BoxStream<'a, Result<OutputLine, EngineError>> {
        work::talking(move |out| output::read(self, name, after, follow, out))
    }

    async fn listening(&self, name: &str) -> Result<Vec<SocketAddr>, EngineError> {
        listening::addresses(self, name).await
    }

    async fn images(&self) -> Result<Vec<HostImage>, EngineError> {
        collect::images(self).await
    }

    async fn remove_image(&self, id: &str) -> Result<(), EngineError> {
        collect::remove(self, id).await
    }

    async fn build_cache(&self) -> Result<u64, EngineError> {
        collect::build_cache(self).await
    }

    async fn prune_build_cache(&self, keep: u64) -> Result<u64, EngineError> {
        collect::prune_build_cache(self, keep).await
    }

    async fn list(&self) -> Result<Vec<Seen>, EngineError> {
        observe::list(self).await
    }

    fn events(&self) -> BoxStream<'_, Result<EngineEvent, EngineError>> {
        work::talking(move |out| events::tell(self, out))
    }
}
