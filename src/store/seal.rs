//! Encryption of what is secret in the database: ChaCha20-Poly1305 under a key that lies beside it, readable only to
//! this user, or in a systemd credential. It protects a copy of the database, not against somebody who has both.

use super::StoreError;
use super::key::Key;
use crate::core::ports::Random;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

/// What is sealed in the instance's row, to tell a wrong key at once and not at the first secret.
pub(super) const KEY_CHECK: &[u8] = b"longshore";

pub(super) struct Seal {
    key: LessSafeKey,
    random: Random,
}

impl Seal {
    /// Seals and opens with this key.
    pub(super) fn new(key: &Key, random: &Random) -> Result<Self, StoreError> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, &key.bytes).map_err(|_| {
            StoreError::Key("the encryption key has not the cipher's length".into())
        })?;
        Ok(Self {
            key: LessSafeKey::new(key),
            random: random.clone(),
        })
    }

    /// Seals a value for one place; it opens nowhere else.
    pub(super) fn seal(&self, place: &str, value: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut nonce = [0; NONCE_LEN];
        (self.random)(&mut nonce);
        let mut sealed = value.to_vec();
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place),
                &mut sealed,
            )
            .map_err(|_| StoreError::Key(format!("{place} is too long to be sealed")))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens what was sealed for that place.
    pub(super) fn open_value(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        let refuse = || {
            StoreError::Key(format!(
                "{place} cannot be opened: the key is not the one it was sealed with"
            ))
        };
        let (nonce, body) = sealed.split_at_checked(NONCE_LEN).ok_or_else(refuse)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| refuse())?;
        let mut body = body.to_vec();
        let value = self
            .key
            .open_in_place(nonce, Aad::from(place), &mut body)
            .map_err(|_| refuse())?;
        Ok(value.to_vec())
    }
}
