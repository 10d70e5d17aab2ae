//! What the engine holds of the instance, beside what it must hold.

use crate::book::Expected;
use crate::docker::client;
use crate::rows::{Environment, Rows};
use crate::stage::WITH_VOLUME;
use bollard::models::RestartPolicyNameEnum;
use bollard::query_parameters::{
    InspectContainerOptions, ListContainersOptionsBuilder, ListImagesOptions,
    ListNetworksOptionsBuilder, ListVolumesOptionsBuilder,
};
use std::collections::{BTreeSet, HashMap};

/// Every difference between what there is and what there must be; empty is the normal case.
pub async fn differences(
    instance: &str,
    rows: &Rows,
    environments: &[(Environment, Expected)],
) -> Vec<String> {
    let label = format!("dev.longshore.instance={instance}");
    let filters = HashMap::from([("label", vec![label.clone()])]);
    let client = client();
    let mut wrong = Vec::new();

    let options = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&filters)
        .build();
    let mut containers = BTreeSet::new();
    for found in client.list_containers(Some(options)).await.unwrap() {
        let names = found.names.unwrap_or_default();
        containers.extend(
            names
                .iter()
                .map(|name| name.trim_start_matches('/').to_owned()),
        );
    }
    let mut wanted = BTreeSet::new();
    for (environment, expected) in environments {
        let (Some(name), None) = (&environment.container, expected.removed) else {
            continue;
        };
        wanted.insert(name.clone());
        let options = None::<InspectContainerOptions>;
        let Ok(found) = client.inspect_container(name, options).await else {
            continue;
        };
        let runs = found
            .state
            .and_then(|state| state.running)
            .unwrap_or_default();
        let policy = found
            .host_config
            .and_then(|host| host.restart_policy)
            .and_then(|policy| policy.name);
        let running = expected.desired == Some("running");
        let fits = match running {
            true => runs && policy == Some(RestartPolicyNameEnum::UNLESS_STOPPED),
            false => !runs && policy == Some(RestartPolicyNameEnum::NO),
        };
        if !fits && !expected.unsure {
            wrong.push(format!(
                "{name} is meant to be {:?}: running {runs}, restart policy {policy:?}",
                expected.desired
            ));
        }
    }
    compare("container", &containers, &wanted, &mut wrong);

    let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
    let networks = client.list_networks(Some(options)).await.unwrap();
    let networks: BTreeSet<String> = networks.into_iter().filter_map(|one| one.name).collect();
    let options = ListVolumesOptionsBuilder::new().filters(&filters).build();
    let volumes = client.list_volumes(Some(options)).await.unwrap().volumes;
    let volumes: BTreeSet<String> = volumes
        .unwrap_or_default()
        .into_iter()
        .map(|one| one.name)
        .collect();
    let (mut nets, mut vols) = (BTreeSet::new(), BTreeSet::new());
    for (environment, expected) in environments {
        let volume = format!("{}-data", environment.slug);
        // What was meant to be made when the daemon was killed may have been made.
        let is_there = |found: bool| environment.made || environment.intended && found;
        if expected.removed.is_none() && (is_there(true) || networks.contains(&environment.slug)) {
            nets.insert(environment.slug.clone());
        }
        let gone = expected.removed == Some(true);
        if environment.app == WITH_VOLUME && !gone && is_there(volumes.contains(&volume)) {
            vols.insert(volume);
        }
    }
    compare("network", &networks, &nets, &mut wrong);
    compare("volume", &volumes, &vols, &mut wrong);

    let mut wanted = BTreeSet::new();
    for (environment, expected) in environments {
        if expected.removed.is_none() {
            let kept = rows.kept_releases(environment.serial).into_iter();
            wanted.extend(kept.map(|number| format!("longshore/{}:{number}", environment.slug)));
        }
    }
    let mut tags = BTreeSet::new();
    for image in client.list_images(None::<ListImagesOptions>).await.unwrap() {
        let is_ours = |tag: &&String| {
            environments.iter().any(|(environment, _)| {
                tag.starts_with(&format!("longshore/{}:", environment.slug))
            })
        };
        let ours: Vec<String> = image.repo_tags.iter().filter(is_ours).cloned().collect();
        if ours.is_empty()
            && image
                .labels
                .get("dev.longshore.instance")
                .map(String::as_str)
                == Some(instance)
        {
            wrong.push(format!(
                "image {} of {:?} is left without a tag",
                image.id, image.labels
            ));
        }
        tags.extend(ours);
    }
    compare("image tag", &tags, &wanted, &mut wrong);
    wrong
}

fn compare(
    what: &str,
    found: &BTreeSet<String>,
    wanted: &BTreeSet<String>,
    wrong: &mut Vec<String>,
) {
    wrong.extend(
        found
            .difference(wanted)
            .map(|name| format!("{what} {name} is left over")),
    );
    wrong.extend(
        wanted
            .difference(found)
            .map(|name| format!("{what} {name} is missing")),
    );
}
