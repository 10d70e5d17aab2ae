//! "Did you mean …?": the known word that is nearest to one nobody knows.

use super::Session;
use super::document::Apps;
use super::exit::Error;
use super::table::clean;

/// How alike two words must be: one slip in a word of four letters, two in one of eight.
const ALIKE: f64 = 0.72;

/// The nearest of the known words, if one is near.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase();
    known
        .into_iter()
        .map(|word| (strsim::normalized_damerau_levenshtein(&typed, word), word))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, word)| word)
}

/// What may have been meant where the daemon knows no such app. Any trouble in asking for the names is the same as not
/// knowing.
pub async fn app(session: &Session, error: &Error) -> Option<String> {
    let Error::Refused(refusal) = error else {
        return None;
    };
    let typed = match (refusal.code.as_str(), refusal.details["id"].as_str()) {
        ("project_not_found", Some(typed)) => typed,
        _ => return None,
    };
    if typed.starts_with("dep_") {
        return Some("that is a deployment's id; this command takes an app's name".to_owned());
    }
    let apps = session.client.get::<Apps>("/v1/apps").await.ok()?.value;
    let names = apps.data.iter().map(|app| app.name.as_str());
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
