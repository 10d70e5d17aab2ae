//! What longshore itself and the apps' published ports cannot both listen on, and what the API must listen on.

use super::agent::ApiKeys;
use super::app::Declared;
use super::conflict::{Use, uses};
use super::fault::{Place, Report};
use super::ingress::IngressKeys;
use super::publish::{clash, show};
use super::reader::At;
use crate::core::spec::{Protocol, Publish};
use std::collections::HashMap;
use std::net::SocketAddr;

/// Reports every conflict at the one that comes later in the file.
pub(super) fn find(apps: &[Declared], api: &ApiKeys, ingress: &IngressKeys, report: &Report) {
    api_address(api, report);
    let own = own(api, ingress);
    own_clashes(&own, report);
    ports(apps, &own, report);
}

/// The ingress passes the API's requests to its TCP address: over the socket they would need no token.
fn api_address(api: &ApiKeys, report: &Report) {
    let Some(domain) = api.domains.value().and_then(|list| list.first()) else {
        return;
    };
    match api.address() {
        None => report.add(
            &domain.place,
            "needs the API's TCP address, which api.listen = \"\" turns off: the ingress passes these requests there, where they need a token",
        ),
        Some(address) if address.port() == 0 => report.add(
            &domain.place,
            "needs a port in api.listen that is the same after every start, not 0",
        ),
        Some(_) => {}
    }
}

/// An address that longshore itself listens on.
struct Own<'a> {
    what: Listener,
    address: Publish,
    /// Where the file says so.
    place: Option<&'a Place>,
}

#[derive(Clone, Copy)]
enum Listener {
    Api,
    Ingress,
}

/// In the file's order, defaults first; port 0 is any that is free and clashes with none.
fn own<'a>(api: &'a ApiKeys, ingress: &'a IngressKeys) -> Vec<Own<'a>> {
    let one = |what, address: SocketAddr, place| Own {
        what,
        address: Publish {
            address: address.ip(),
            host_port: address.port(),
            container_port: address.port(),
            protocol: Protocol::Tcp,
        },
        place,
    };
    let mut own = Vec::new();
    if let Some(address) = api.address() {
        let place = api.listen.given().map(|at| &at.place);
        own.push(one(Listener::Api, address, place));
    }
    for (address, given) in ingress.addresses() {
        own.push(one(Listener::Ingress, address, given.map(|at| &at.place)));
    }
    own.retain(|one| one.address.host_port > 0);
    own.sort_by_key(|one| one.place.map(|place| place.offset));
    own
}

fn own_clashes(own: &[Own<'_>], report: &Report) {
    for (index, one) in own.iter().enumerate() {
        let Some(place) = one.place else { continue };
        let mut before = own[..index].iter();
        let Some(other) = before.find(|other| clash(&other.address, &one.address)) else {
            continue;
        };
        let taken = show(&other.address);
        let by = match (other.place, other.what) {
            (Some(place), _) => place.path.clone(),
            (None, Listener::Api) => "api.listen by default".to_owned(),
            (None, Listener::Ingress) => "ingress.listen by default".to_owned(),
        };
        let message = format!(
            "takes {}, which {by} takes already, as {taken}",
            show(&one.address)
        );
        report.add(place, message);
    }
}

fn ports(apps: &[Declared], own: &[Own<'_>], report: &Report) {
    let mut taken: HashMap<u16, Vec<&At<Publish>>> = HashMap::new();
    for Use { entry, .. } in uses(apps, |layer| layer.publish.value()) {
        let port = show(&entry.value);
        if let Some(own) = own.iter().find(|own| clash(&own.address, &entry.value)) {
            let whose = match (own.what, own.place) {
                (Listener::Api, _) => "where longshore's own API listens (api.listen)",
                (Listener::Ingress, Some(_)) => {
                    "where longshore's ingress listens (ingress.listen)"
                }
                (Listener::Ingress, None) => {
                    "where longshore's ingress listens by default; set ingress.listen to another address, or to [] for none"
                }
            };
            report.add(&entry.place, format!("takes {port} of the host, {whose}"));
        }
        let taken = taken.entry(entry.value.host_port).or_default();
        let is_here = |other: &&&At<Publish>| other.place.offset == entry.place.offset;
        if taken.last().as_ref().is_some_and(is_here) {
            report.add(
                &entry.place,
                format!("would publish {port} of the host for more than one environment, as they inherit it; write publish = [] for the others"),
            );
        }
        if let Some(other) = taken
            .iter()
            .find(|other| !is_here(other) && clash(&other.value, &entry.value))
        {
            report.add(
                &entry.place,
                format!(
                    "takes {port} of the host, which {} takes already, as {}",
                    other.place.path,
                    show(&other.value)
                ),
            );
        }
        taken.push(entry);
    }
}
