//! Ids as git.dev, and so our own API, writes them: a prefix and the UUID in base 36.

use uuid::Uuid;

const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// `dep_…`
pub(super) fn deployment(id: Uuid) -> String {
    format!("dep_{}", base36(id.as_u128()))
}

/// `run_…`: one of a job.
pub(super) fn run(id: Uuid) -> String {
    format!("run_{}", base36(id.as_u128()))
}

/// `proj_…`: an app is what git.dev calls a project.
pub(super) fn project(id: Uuid) -> String {
    format!("proj_{}", base36(id.as_u128()))
}

/// `user_…`
pub(super) fn user(id: Uuid) -> String {
    format!("user_{}", base36(id.as_u128()))
}

/// Reads an id of that prefix back; `None` for anything we could not have written.
pub(super) fn parse(prefix: &str, text: &str) -> Option<Uuid> {
    let digits = text.strip_prefix(prefix)?;
    let canonical =
        !digits.is_empty() && digits.len() <= 25 && (digits == "0" || !digits.starts_with('0'));
    if !canonical {
        return None;
    }
    let mut value: u128 = 0;
    for byte in digits.bytes() {
        let digit = DIGITS.iter().position(|d| *d == byte)?;
        value = value.checked_mul(36)?.checked_add(digit as u128)?;
    }
    Some(Uuid::from_u128(value))
}

fn base36(mut value: u128) -> String {
    let mut digits = Vec::new();
    loop {
        // The remainder is below 36: it fits, and it indexes.
        digits.push(DIGITS[(value % 36) as usize]);
        value /= 36;
        if value == 0 {
            break;
        }
    }
    digits
        .iter()
        .rev()
        .map(|digit| char::from(*digit))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_uuid_comes_back_from_its_text(value in any::<u128>()) {
            let id = Uuid::from_u128(value);
            prop_assert_eq!(parse("dep_", &deployment(id)), Some(id));
        }

        #[test]
        fn any_text_is_an_id_or_not_and_never_a_panic(text in "(dep_)?[0-9a-zA-Z_]{0,40}") {
            if let Some(id) = parse("dep_", &text) {
                prop_assert_eq!(deployment(id), text);
            }
        }
    }
}
