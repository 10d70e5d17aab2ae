//! An id is read back as what was written, and has one spelling.
#![no_main]

#[expect(dead_code, reason = "the fuzzed part is enough")]
#[path = "../../src/api/gitdev/id.rs"]
mod id;

use libfuzzer_sys::fuzz_target;
use uuid::Uuid;

fuzz_target!(|input: (u128, &str)| {
    let (number, text) = input;
    let uuid = Uuid::from_u128(number);
    assert_eq!(id::parse("dep_", &id::deployment(uuid)), Some(uuid));
    if let Some(uuid) = id::parse("dep_", text) {
        assert_eq!(id::deployment(uuid), text);
    }
});
