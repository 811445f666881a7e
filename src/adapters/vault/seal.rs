//! Sealing single records with XChaCha20-Poly1305.
//!
//! A sealed record is `version, key id (8), nonce (24), ciphertext and tag`. The nonce is random: with 24 bytes
//! two never meet. The place a record belongs to (table or namespace, and its key there) is authenticated with it, so
//! that nobody can pass one person's record off as another's.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Version this build writes; 1 was the unsealed JSON of menshen 0.1.0.
pub const VERSION: u8 = 2;
pub const KEY_ID_BYTES: usize = 8;
const NONCE_BYTES: usize = 24;
/// Version and key id: enough to know which key sealed a record.
pub const HEAD_BYTES: usize = 1 + KEY_ID_BYTES;

pub type Secret = Zeroizing<[u8; 32]>;
pub type KeyId = [u8; KEY_ID_BYTES];

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error("sealed with another key")]
    OtherKey,
    #[error("written by a newer menshen (record version {0})")]
    Newer(u8),
    #[error("damaged, or moved from another place")]
    Broken,
}

/// Where a record belongs: table or namespace, and the key there.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a>(pub &'static str, pub &'a [u8]);

/// One data key at work.
pub struct Sealer {
    id: KeyId,
    cipher: XChaCha20Poly1305,
    names: Secret,
}

impl Sealer {
    pub fn new(id: KeyId, secret: &Secret) -> Self {
        let cipher_key = derived(secret, "seal");
        Self { id, cipher: XChaCha20Poly1305::new((&*cipher_key).into()), names: derived(secret, "names") }
    }

    pub fn id(&self) -> KeyId {
        self.id
    }

    pub fn seal(&self, place: Place<'_>, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0u8; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| SealError::Broken)?;
        let payload = Payload { msg: plain, aad: &self.bound(place) };
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::Broken)?;
        let mut bytes = Vec::with_capacity(HEAD_BYTES + NONCE_BYTES + sealed.len());
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.id);
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&sealed);
        Ok(bytes)
    }

    pub fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.owns(sealed)?;
        let (nonce, body) =
            sealed[HEAD_BYTES..].split_first_chunk::<NONCE_BYTES>().ok_or(SealError::Broken)?;
        let payload = Payload { msg: body, aad: &self.bound(place) };
        let plain = self.cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| SealError::Broken)?;
        Ok(Zeroizing::new(plain))
    }

    /// Whether this key sealed the record, as far as its head says.
    pub fn owns(&self, sealed: &[u8]) -> Result<(), SealError> {
        match sealed {
            [VERSION, rest @ ..] if rest.starts_with(&self.id) => Ok(()),
            [VERSION, rest @ ..] if rest.len() >= KEY_ID_BYTES => Err(SealError::OtherKey),
            [newer, ..] if *newer > VERSION => Err(SealError::Newer(*newer)),
            _ => Err(SealError::Broken),
        }
    }

    /// A name that says nothing of what it was made from, the same every time.
    pub fn hidden(&self, table: &'static str, parts: &[&[u8]]) -> [u8; 16] {
        let full = keyed_hash(&self.names, table, parts);
        let mut short = [0; 16];
        short.copy_from_slice(&full[..16]);
        short
    }

    fn bound(&self, Place(namespace, key): Place<'_>) -> Vec<u8> {
        let mut bound = Vec::with_capacity(HEAD_BYTES + 1 + namespace.len() + key.len());
        bound.push(VERSION);
        bound.extend_from_slice(&self.id);
        bound.push(namespace.len() as u8);
        bound.extend_from_slice(namespace.as_bytes());
        bound.extend_from_slice(key);
        bound
    }
}

/// A key for one purpose, from which the secret cannot be found.
pub fn derived(secret: &Secret, purpose: &'static str) -> Secret {
    keyed_hash(secret, "menshen key", &[purpose.as_bytes()])
}

fn keyed_hash(key: &Secret, label: &'static str, parts: &[&[u8]]) -> Secret {
    let key: &[u8; 32] = key;
    let mut mac = Hmac::<Sha256>::new((&sha_block(key)).into());
    // Lengths go in too, so that ("ab", "c") and ("a", "bc") differ.
    for part in [label.as_bytes()].iter().chain(parts) {
        mac.update(&(part.len() as u64).to_le_bytes());
        mac.update(part);
    }
    Zeroizing::new(mac.finalize().into_bytes().into())
}

/// HMAC's key block: the key filled up with zeros, as its definition has it for short keys.
fn sha_block(key: &[u8; 32]) -> [u8; 64] {
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    block
}

/// Fresh random bytes of the operating system.
pub fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, SealError> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(&mut *bytes).map_err(|_| SealError::Broken)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(secret: u8) -> Sealer {
        Sealer::new([secret; 8], &Zeroizing::new([secret; 32]))
    }

    #[test]
    fn a_record_opens_at_its_place_only() {
        let key = sealer(1);
        let sealed = key.seal(Place("people", b"1001"), b"Barack Obama").unwrap();
        assert_eq!(&**key.open(Place("people", b"1001"), &sealed).unwrap(), b"Barack Obama");
        assert_eq!(key.open(Place("people", b"1002"), &sealed), Err(SealError::Broken));
        assert_eq!(key.open(Place("groups", b"1001"), &sealed), Err(SealError::Broken));
        assert_eq!(sealer(2).open(Place("people", b"1001"), &sealed), Err(SealError::OtherKey));
        assert!(!sealed.windows(5).any(|part| part == b"Obama"));
        assert_ne!(sealed, key.seal(Place("people", b"1001"), b"Barack Obama").unwrap(), "nonces differ");
    }

    #[test]
    fn any_flipped_or_missing_byte_is_found() {
        let key = sealer(1);
        let place = Place("people", b"1");
        let sealed = key.seal(place, b"x").unwrap();
        for at in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[at] ^= 1;
            assert!(key.open(place, &bad).is_err(), "byte {at}");
            assert!(key.open(place, &sealed[..at]).is_err(), "cut at {at}");
        }
        assert_eq!(key.open(place, &[9; 60]), Err(SealError::Newer(9)));
        assert_eq!(key.open(place, &[1, b'{', b'}']), Err(SealError::Broken), "0.1.0 wrote this");
    }

    #[test]
    fn hidden_names_are_stable_and_keyed() {
        let (a, b) = (sealer(1), sealer(2));
        assert_eq!(a.hidden("people", &[b"1"]), a.hidden("people", &[b"1"]));
        assert_ne!(a.hidden("people", &[b"1"]), b.hidden("people", &[b"1"]));
        assert_ne!(a.hidden("people", &[b"1"]), a.hidden("groups", &[b"1"]));
        assert_ne!(a.hidden("people", &[b"ab", b"c"]), a.hidden("people", &[b"a", b"bc"]));
    }
}
