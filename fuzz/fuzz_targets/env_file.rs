//! An environment file is read, or refused without showing a value.
#![no_main]

use libfuzzer_sys::fuzz_target;
use longshore::core::env_file;

fuzz_target!(|text: &str| {
    match env_file::parse(text) {
        Ok(variables) => {
            for (_, value) in variables {
                assert!(text.contains(value.expose()));
            }
        }
        Err(fault) => assert!(fault.starts_with("line ") && fault.len() < 1000, "{fault}"),
    }
});
