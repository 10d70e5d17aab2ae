//! A name that is accepted cannot be an option, a path upwards or more than one word.
#![no_main]

use libfuzzer_sys::fuzz_target;
use longshore::core::name::{
    AppName, Branch, EnvironmentName, ImageReference, ProjectPath, Sha, VariableName,
};

fuzz_target!(|text: &str| {
    let is_word = |name: &str| {
        !name.is_empty()
            && !name.starts_with('-')
            && !name.contains(|c: char| c.is_whitespace() || c.is_control())
    };
    if let Ok(branch) = Branch::parse(text) {
        let name = branch.as_str();
        // Beyond ASCII git asks for nothing.
        let is_open = |c: char| c == ' ' || c.is_ascii_control();
        assert!(
            !name.is_empty() && !name.starts_with('-') && !name.contains(is_open),
            "{name:?}"
        );
        assert!(name.len() <= 255, "{name:?}");
        assert!(
            !name.contains("..") && !name.contains("@{") && name != "@",
            "{name:?}"
        );
        assert!(
            !name.contains([':', '?', '*', '[', '\\', '^', '~']),
            "{name:?}"
        );
        for part in name.split('/') {
            assert!(
                !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock"),
                "{name:?}"
            );
        }
    }
    if let Ok(image) = ImageReference::parse(text) {
        let name = image.as_str();
        assert!(is_word(name) && name.is_ascii(), "{name:?}");
        let tagged = name.split('@').next().unwrap_or_default();
        // A tag may have two dots, a path may not.
        let (path, _) = tagged
            .rsplit_once(':')
            .filter(|(_, tag)| !tag.contains('/'))
            .unwrap_or((tagged, ""));
        assert!(!path.contains(".."), "{name:?}");
    }
    if let Ok(path) = ProjectPath::parse(text) {
        for part in path.as_str().split('/') {
            assert!(is_word(part) && part != "." && part != "..", "{path}");
        }
    }
    for name in [
        AppName::parse(text).map(String::from),
        EnvironmentName::parse(text).map(String::from),
    ]
    .into_iter()
    .flatten()
    {
        assert!(is_word(&name) && name.len() <= 40, "{name:?}");
        assert!(
            name.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        );
    }
    if let Ok(name) = VariableName::parse(text) {
        assert!(
            !name.as_str().contains('=') && is_word(name.as_str()),
            "{name}"
        );
    }
    if let Ok(sha) = Sha::parse(text) {
        assert!(
            sha.as_str().bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{sha}"
        );
    }
});
