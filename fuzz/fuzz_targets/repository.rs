//! A repository that is accepted can be no option of git or ssh and runs no program of its own.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|url: &str| {
    let quoted = serde_json::to_string(url).expect("a string is JSON");
    let text = format!("[[app]]\nname = \"a\"\nrepository = {quoted}\n");
    if longshore::config::parse("f.toml", &text).is_err() {
        return;
    }
    let scheme = url.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "+-.".contains(c));
    assert!(
        !url.starts_with('-') && !scheme.starts_with("::"),
        "{url:?}"
    );
    if url.starts_with('/') {
        return;
    }
    let host = match url.split_once("://") {
        Some((scheme, rest)) => {
            assert!(
                ["https", "http", "ssh", "git", "file"]
                    .contains(&scheme.to_ascii_lowercase().as_str()),
                "{url:?}"
            );
            rest.split('/').next().unwrap_or_default()
        }
        None => url.split(':').next().unwrap_or_default(),
    };
    let host = host.rsplit('@').next().unwrap_or_default();
    assert!(!host.starts_with('-'), "{url:?}");
    assert!(!url.contains(|c: char| c.is_control()), "{url:?}");
});
