//! A .dockerignore of any text is read or refused, and judges any path.
#![no_main]

#[path = "../../src/engine/build/ignore.rs"]
mod ignore;

use ignore::Ignore;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str)| {
    let (text, path) = input;
    let Ok(ignore) = Ignore::parse(text) else {
        return;
    };
    let (mut parent, mut walked) = (None, String::new());
    for part in path.split('/').filter(|part| !part.is_empty()) {
        if !walked.is_empty() {
            walked.push('/');
        }
        walked.push_str(part);
        let verdict = ignore.judge(&walked, parent.as_ref());
        if !ignore.has_exceptions()
            && parent
                .as_ref()
                .is_some_and(|parent: &ignore::Verdict| parent.excluded)
        {
            assert!(
                verdict.excluded,
                "{walked:?} came back without an exception"
            );
        }
        parent = Some(verdict);
    }
});
