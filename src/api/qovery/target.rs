//! What a deployment is to make live: the version that a request names, else the one that was deployed last, else what the
//! configuration says.

use super::error::Refusal;
use super::parse::Version;
use super::source::with_tag;
use crate::core::action::{DeploymentView, ServiceView, Target, Version as Known};
use crate::core::deployment::{Phase, Wanted};
use crate::core::name::{ImageReference, RefName};
use crate::core::reference::commit_digits;
use crate::core::spec::SourceSpec;

/// What is asked for of a service.
pub(super) fn target(service: &ServiceView, version: Option<Version>) -> Result<Target, Refusal> {
    let source = service.environment.spec.as_ref().map(|spec| &spec.source);
    match (source, version) {
        // It says itself that it deploys nothing that the configuration does not name.
        (None, _) => Ok(Target::Configured(None)),
        (Some(source), None) => Ok(last(service, source)),
        (Some(SourceSpec::Image(image)), Some(Version::Tag(tag))) => {
            let tagged = ImageReference::parse(&with_tag(&image.reference, &tag));
            let tagged = tagged
                .ok()
                .filter(|tagged| is_tag(&tag) && !tagged.is_pinned());
            let tagged = tagged.ok_or_else(|| Refusal::field("image_tag", "is no tag"))?;
            Ok(Target::Image(tagged))
        }
        (Some(SourceSpec::Image(_)), Some(Version::Commit(_))) => Err(Refusal::field(
            "git_commit_id",
            "cannot be given: the service runs an image",
        )),
        (Some(SourceSpec::Git(_)), Some(Version::Commit(commit))) => {
            let digits = commit_digits(&commit);
            let digits = digits.ok_or_else(|| {
                Refusal::field("git_commit_id", "must be 7 to 40 hexadecimal digits")
            })?;
            Ok(Target::Configured(Some(digits)))
        }
        // The Terraform provider has only this key for whatever its version is. What it names is looked for in the
        // repository; what does not name anything there is refused.
        (Some(SourceSpec::Git(_)), Some(Version::Tag(name))) => {
            let name = RefName::parse(&name);
            let name = name.map_err(|fault| Refusal::field("image_tag", fault))?;
            Ok(Target::Named(name))
        }
    }
}

/// By the engine's rule.
fn is_tag(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    text.len() <= 128 && text.bytes().all(fits) && !text.starts_with(['.', '-'])
}

/// What was deployed last, whether that went well or not: whoever repeats what failed wants that, and not what is live
/// since before it. What was cancelled does not count.
fn last(service: &ServiceView, source: &SourceSpec) -> Target {
    let newest = service.deployment.as_ref().map(|asked| &asked.view);
    let newest = newest.filter(|view| is_kept(&view.deployment.phase));
    match (newest.and_then(again), &service.live) {
        (Some((target, wanted)), Some(live)) if live.content.sha.is_some() => {
            let is_live =
                matches!(&wanted, Known::Commit(sha) if Some(sha) == live.content.sha.as_ref());
            // Its image is there: nothing need be built.
            match is_live && fits(&target, source) {
                true => Target::Restart,
                false => fitting(target, source),
            }
        }
        (Some((target, _)), _) => fitting(target, source),
        (None, Some(_)) => Target::Restart,
        (None, None) => Target::Configured(None),
    }
}

fn is_kept(phase: &Phase) -> bool {
    match phase {
        Phase::Queued
        | Phase::Running(_)
        | Phase::Committed(_)
        | Phase::Succeeded { .. }
        | Phase::Failed { .. } => true,
        Phase::Cancelled { .. } | Phase::Superseded { .. } => false,
    }
}

/// How what a deployment made, or was to make, live is asked for again.
fn again(view: &DeploymentView) -> Option<(Target, Known)> {
    match (&view.deployment.request.wanted, &view.version) {
        (Wanted::Commit { reference, sha, .. }, _) => Some((
            Target::Reference(reference.clone(), Some(sha.to_string())),
            Known::Commit(sha.clone()),
        )),
        (Wanted::Image(image), _) => Some((
            Target::Image(image.clone()),
            Known::Image(image.to_string()),
        )),
        (Wanted::Release(_) | Wanted::Restart, Some(known @ Known::Commit(sha))) => {
            let reference = view.origin.reference.clone()?;
            Some((
                Target::Reference(reference, Some(sha.to_string())),
                known.clone(),
            ))
        }
        (Wanted::Release(_) | Wanted::Restart, Some(known @ Known::Image(image))) => {
            let image = ImageReference::parse(image).ok()?;
            Some((Target::Image(image), known.clone()))
        }
        (Wanted::Release(_) | Wanted::Restart, None) => None,
    }
}

/// Whether the configuration still has that kind of source.
fn fits(target: &Target, source: &SourceSpec) -> bool {
    match (target, source) {
        (Target::Image(_), SourceSpec::Image(_))
        | (
            Target::Configured(_)
            | Target::Reference(..)
            | Target::Named(_)
            | Target::Unnamed
            | Target::Release(_)
            | Target::Restart,
            SourceSpec::Git(_),
        ) => true,
        (Target::Image(_), SourceSpec::Git(_))
        | (
            Target::Configured(_)
            | Target::Reference(..)
            | Target::Named(_)
            | Target::Unnamed
            | Target::Release(_)
            | Target::Restart,
            SourceSpec::Image(_),
        ) => false,
    }
}

fn fitting(target: Target, source: &SourceSpec) -> Target {
    match fits(&target, source) {
        true => target,
        false => Target::Configured(None),
    }
}
