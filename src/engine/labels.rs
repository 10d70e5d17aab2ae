//! Whose an object is: the labels we put on everything, and the question that comes before every change.

use crate::core::ports::{EngineError, Labels};
use std::collections::HashMap;
use uuid::Uuid;

/// The instance that made an object; without this label, or with another value, an object is not ours.
pub const INSTANCE: &str = "dev.longshore.instance";
/// The deployment an object was made for.
pub const DEPLOYMENT: &str = "dev.longshore.deployment";
const APP: &str = "dev.longshore.app";
const ENVIRONMENT: &str = "dev.longshore.environment";
const SERIAL: &str = "dev.longshore.serial";
const GENERATION: &str = "dev.longshore.generation";
const ROLE: &str = "dev.longshore.role";

/// The labels of a container.
pub fn of_deployment(instance: Uuid, labels: &Labels) -> HashMap<String, String> {
    let mut all = of_image(instance, labels);
    all.insert(GENERATION.to_owned(), labels.generation.to_string());
    all
}

/// The labels of an image. They are part of what it is: with a generation in them, which other environments move on, a
/// build that is begun again would make another image than the first time.
pub fn of_image(instance: Uuid, labels: &Labels) -> HashMap<String, String> {
    let mut all = of_environment(instance, &labels.app, &labels.environment);
    all.extend([
        (DEPLOYMENT.to_owned(), labels.deployment.to_string()),
        (SERIAL.to_owned(), labels.serial.to_string()),
        (ROLE.to_owned(), labels.role.clone()),
    ]);
    all
}

/// The labels of what outlives a deployment: networks and volumes.
pub fn of_environment(instance: Uuid, app: &str, environment: &str) -> HashMap<String, String> {
    HashMap::from([
        (INSTANCE.to_owned(), instance.to_string()),
        (APP.to_owned(), app.to_owned()),
        (ENVIRONMENT.to_owned(), environment.to_owned()),
    ])
}

/// Reads back what [`of_deployment`] put on a container; `None` if something of it is missing or is no such value.
pub fn read(labels: &HashMap<String, String>) -> Option<Labels> {
    Some(Labels {
        app: labels.get(APP)?.clone(),
        environment: labels.get(ENVIRONMENT)?.clone(),
        deployment: labels.get(DEPLOYMENT)?.parse().ok()?,
        serial: labels.get(SERIAL)?.parse().ok()?,
        generation: labels.get(GENERATION)?.parse().ok()?,
        role: labels.get(ROLE)?.clone(),
    })
}

/// Whether an object with these labels is this instance's.
pub fn is_ours(instance: Uuid, labels: Option<&HashMap<String, String>>) -> bool {
    labels.and_then(|labels| labels.get(INSTANCE)) == Some(&instance.to_string())
}

/// Refuses an object that is not this instance's; `what` is `container 'x'`.
pub fn must_be_ours(
    instance: Uuid,
    labels: Option<&HashMap<String, String>>,
    what: &str,
) -> Result<(), EngineError> {
    if is_ours(instance, labels) {
        return Ok(());
    }
    let whose = match labels.and_then(|labels| labels.get(INSTANCE)) {
        Some(other) => format!("belongs to the longshore instance {other}"),
        None => "was not made by longshore".to_owned(),
    };
    Err(EngineError::Refused(format!(
        "{what} {whose} and was left alone; remove or rename it if it is in the way"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_on_a_container_is_read_back_and_anything_else_is_nothing() {
        let labels = Labels {
            app: "web".into(),
            environment: "production".into(),
            deployment: Uuid::from_u128(7),
            serial: 3,
            generation: 2,
            role: "web".into(),
        };
        let mut put = of_deployment(Uuid::from_u128(1), &labels);
        assert_eq!(read(&put), Some(labels));
        put.insert(SERIAL.to_owned(), "three".to_owned());
        assert_eq!(read(&put), None);
        assert_eq!(read(&of_environment(Uuid::from_u128(1), "web", "e")), None);
    }

    #[test]
    fn only_the_own_instances_label_makes_an_object_ours() {
        let (us, them) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let ours = of_environment(us, "web", "production");
        assert!(is_ours(us, Some(&ours)));
        for labels in [
            None,
            Some(&HashMap::new()),
            Some(&of_environment(them, "web", "production")),
        ] {
            let refused = must_be_ours(us, labels, "container 'x'");
            assert!(
                matches!(refused, Err(EngineError::Refused(text)) if text.starts_with("container 'x'"))
            );
        }
    }

    #[test]
    fn an_images_labels_are_the_same_in_every_generation() {
        let labels = |generation| Labels {
            app: "web".to_owned(),
            environment: "production".to_owned(),
            deployment: Uuid::from_u128(7),
            serial: 7,
            generation,
            role: "web".to_owned(),
        };
        let us = Uuid::from_u128(1);
        assert_eq!(of_image(us, &labels(1)), of_image(us, &labels(2)));
        assert_ne!(of_deployment(us, &labels(1)), of_deployment(us, &labels(2)));
    }
}
