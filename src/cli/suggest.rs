//! "Did you mean …?": the known word that is nearest to one nobody knows.

use super::Session;
use super::document::Apps;
use super::exit::Error;
use super::table::clean;

/// The nearest of the known words, if one is near: a slip is forgiven, in longer words two or three.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase();
    let length = typed.chars().count();
    known
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(&typed, word), word))
        .filter(|(slips, _)| *slips <= 1 + length / 5 && *slips < length)
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, word)| word)
}

/// What may have been meant where the daemon knows no such app. Any trouble in asking for the names is the same as not
/// knowing.
pub async fn app(session: &Session, error: &Error) -> Option<String> {
    let Error::Refused(refusal) = error else {
        return None;
    };
    let (code, typed) = (refusal.code.as_str(), refusal.details["id"].as_str()?);
    if code == "project_not_found" && typed.starts_with("dep_") {
        return Some("that is a deployment's id; this command takes an app's name".to_owned());
    }
    if !["project_not_found", "deployment_not_found"].contains(&code) {
        return None;
    }
    let apps = session.client.get::<Apps>("/v1/apps").await.ok()?.value;
    let mut names = apps.data.iter().map(|app| app.name.as_str());
    if code == "deployment_not_found" {
        let app = clean(names.find(|name| *name == typed)?);
        return Some(format!(
            "{app} is an app: `longshore ls --app {app}` lists its deployments;"
        ));
    }
    let near = nearest(typed, names)?;
    Some(format!("did you mean {}?", clean(near)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_forgiven_and_another_word_is_not_guessed() {
        let known = ["web", "worker", "hello-world", "cache"];
        for (typed, expected) in [
            ("wbe", Some("web")),
            ("worekr", Some("worker")),
            ("Worker", Some("worker")),
            ("hello-wolrd", Some("hello-world")),
            ("cahce", Some("cache")),
            ("database", None),
            ("w", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, known), expected, "{typed}");
        }
    }
}
