//! The last words about a deployment: what is live now, or why not and what to do.

use super::document::{Deployment, Failure, Status};
use super::moment;
use super::output::Paint;
use super::table::clean;

/// How it ended, in a few lines. `address` is where the live container listens, as far as anybody knows.
pub fn of(deployment: &Deployment, address: Option<&str>, paint: Paint) -> String {
    let what = format!(
        "{} of {}",
        clean(&deployment.environment),
        clean(&deployment.app)
    );
    let after = match (deployment.created_at, deployment.completed_at) {
        (Some(from), Some(to)) => {
            format!(" after {}", moment::duration(moment::between(from, to)))
        }
        (_, None) | (None, _) => String::new(),
    };
    let mut lines = Vec::new();
    match deployment.status {
        Status::Success => {
            let release = deployment
                .release
                .map_or("it".to_owned(), |number| format!("release {number}"));
            let live = if deployment.live {
                "is live in"
            } else {
                "was live, and is no longer, in"
            };
            lines.push(format!(
                "{} {release} {live} {what}{after}",
                paint.green("success:")
            ));
            lines.extend(reachable(deployment, address).map(|at| format!("  {at}")));
        }
        Status::Failed => {
            lines.push(format!("{} {what}{after}", paint.red("failed:")));
            if let Some(failure) = &deployment.error {
                lines.extend(failure_lines(failure, paint));
            }
            lines.push(format!(
                "  whole log: longshore logs {}",
                clean(&deployment.id)
            ));
        }
        Status::Cancelled => {
            let by = match deployment
                .cancelled_by_name
                .as_ref()
                .or(deployment.cancelled_by.as_ref())
            {
                _ if deployment.superseded => "a newer deployment took its place".to_owned(),
                Some(who) => format!("cancelled by {}", clean(who)),
                None => "cancelled".to_owned(),
            };
            lines.push(format!(
                "{} {what}: {by}{after}",
                paint.yellow("cancelled:")
            ));
        }
        Status::Queued | Status::Building | Status::Deploying => {
            lines.push(format!("{what} is {}", deployment.status.as_str()));
        }
    }
    lines.extend(restore_lines(deployment, paint));
    lines.join("\n")
}

/// Why it failed: cause, last output, next step.
pub fn failure_lines(failure: &Failure, paint: Paint) -> Vec<String> {
    let mut lines = vec![format!(
        "  {} ({})",
        paint.bold(&clean(&failure.message)),
        clean(&failure.code)
    )];
    lines.extend(
        failure
            .output
            .iter()
            .map(|line| format!("  {} {}", paint.dim("|"), clean(line))),
    );
    if !failure.next.is_empty() {
        lines.push(format!("  next: {}", clean(&failure.next)));
    }
    lines
}

/// What somebody has to put right by hand.
pub fn restore_lines(deployment: &Deployment, paint: Paint) -> Vec<String> {
    let told = deployment.restore_failed.iter();
    told.map(|what| format!("  {} {}", paint.red("could not be put back:"), clean(what)))
        .collect()
}

/// Where the app answers: its own domain if it has one, else its container. A deployment without a domain carries
/// the API's address of itself, where nobody finds the app.
fn reachable(deployment: &Deployment, address: Option<&str>) -> Option<String> {
    let own = deployment
        .deploy_url
        .as_deref()
        .filter(|url| !url.contains("/v1/deployments/"));
    own.or(address).map(clean)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn deployment(with: Value) -> Deployment {
        let mut document = json!({
            "id": "dep_1", "app": "web", "environment": "production",
            "created_at": "2025-03-14T10:32:00Z", "completed_at": "2025-03-14T10:32:42Z",
        });
        document
            .as_object_mut()
            .unwrap()
            .extend(with.as_object().unwrap().clone());
        serde_json::from_value(document).unwrap()
    }

    #[test]
    fn success_names_the_release_and_where_it_answers() {
        let api = "http://127.0.0.1:7470/v1/deployments/dep_1";
        for (with, address, expected) in [
            (
                json!({"status": "success", "release": 12, "live": true, "deploy_url": "https://web.example.com"}),
                Some("10.213.0.2:8080"),
                "success: release 12 is live in production of web after 42s\n  https://web.example.com",
            ),
            (
                json!({"status": "success", "release": 12, "live": true, "deploy_url": api}),
                Some("10.213.0.2:8080"),
                "success: release 12 is live in production of web after 42s\n  10.213.0.2:8080",
            ),
            (
                json!({"status": "success", "release": 12, "live": false, "deploy_url": api}),
                None,
                "success: release 12 was live, and is no longer, in production of web after 42s",
            ),
        ] {
            assert_eq!(of(&deployment(with), address, Paint(false)), expected);
        }
    }

    #[test]
    fn failure_names_cause_output_next_step_and_what_was_left() {
        let failed = deployment(json!({
            "status": "failed",
            "error": {
                "code": "container_exited", "message": "the container ended with status 1",
                "output": ["starting", "\u{1b}[31mno DATABASE_URL\u{1b}[0m"], "next": "set DATABASE_URL",
            },
            "restore_failed": ["web-production-1"],
        }));
        assert_eq!(
            of(&failed, None, Paint(false)),
            "failed: production of web after 42s\n  \
             the container ended with status 1 (container_exited)\n  \
             | starting\n  | no DATABASE_URL\n  next: set DATABASE_URL\n  \
             whole log: longshore logs dep_1\n  could not be put back: web-production-1"
        );
    }

    #[test]
    fn a_cancelled_deployment_says_by_whom_and_a_superseded_one_by_what() {
        for (with, expected) in [
            (
                json!({"status": "cancelled", "cancelled_by": "ann"}),
                "cancelled: production of web: cancelled by ann after 42s",
            ),
            (
                json!({"status": "cancelled", "superseded": true}),
                "cancelled: production of web: a newer deployment took its place after 42s",
            ),
        ] {
            assert_eq!(of(&deployment(with), None, Paint(false)), expected);
        }
    }
}
