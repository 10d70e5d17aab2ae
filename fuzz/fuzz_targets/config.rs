//! A configuration of any text is read or refused with a place for every fault.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(faults) = longshore::config::parse("f.toml", text) {
        let told = faults.to_string();
        assert!(
            told.lines()
                .next()
                .is_some_and(|line| line.starts_with("f.toml:")),
            "{told}"
        );
    }
});
