//! A secret survives in no text, whatever stands around it and however it is written.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use libfuzzer_sys::fuzz_target;
use longshore::core::redact::Redactor;
use longshore::core::secret::Secret;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

fuzz_target!(|input: (&str, &str, &str, u8)| {
    let (secret, before, after, how) = input;
    // Shorter ones are not looked for, and what is a part of the mask is shown with it.
    let is_of_the_mask = "[redacted]".contains(secret) || secret.contains(['[', ']']);
    let looked_for = secret.trim().len() >= 4
        && secret == secret.trim()
        && !secret.contains(['\n', '\r'])
        && !is_of_the_mask;
    if !looked_for {
        let _ = Redactor::new([&Secret::new(secret)]).redact(format!("{before}{secret}{after}"));
        return;
    }
    let written = match how % 5 {
        0 => secret.to_owned(),
        1 => STANDARD.encode(secret),
        2 => URL_SAFE_NO_PAD.encode(secret),
        3 => utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
        _ => {
            let quoted = serde_json::to_string(secret).expect("a string is JSON");
            quoted[1..quoted.len() - 1].to_owned()
        }
    };
    let redacted =
        Redactor::new([&Secret::new(secret)]).redact(format!("{before} {written} {after}"));
    assert!(!redacted.contains(secret), "{redacted:?} holds {secret:?}");
    assert!(
        written.len() < 4 || !redacted.contains(&written),
        "{redacted:?} holds {written:?}"
    );
});
