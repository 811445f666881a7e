//! WS-UsernameToken with a password digest: the password itself never leaves the box.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use quick_xml::escape::escape;
use sha1::{Digest as _, Sha1};

const WSS: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss";

/// Bytes of a nonce. There are cameras that refuse longer ones.
pub const NONCE_BYTES: usize = 16;

/// Base64 of SHA-1 over nonce, time and password (WSS UsernameToken Profile 1.0).
pub fn password_digest(nonce: &[u8], created: &str, password: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(nonce);
    hash.update(created.as_bytes());
    hash.update(password.as_bytes());
    BASE64_STANDARD.encode(hash.finalize())
}

/// What goes into an envelope's header. `created` is the camera's own time, as `clock::utc_text` writes it: cameras refuse
/// what seems old or to come from the future. A nonce is used once.
pub fn header(user: &str, password: &str, nonce: &[u8; NONCE_BYTES], created: &str) -> String {
    let digest = password_digest(nonce, created, password);
    let (user, nonce) = (escape(user), BASE64_STANDARD.encode(nonce));
    format!(
        "<Security s:mustUnderstand=\"1\" xmlns=\"{WSS}-wssecurity-secext-1.0.xsd\"><UsernameToken>\
         <Username>{user}</Username>\
         <Password Type=\"{WSS}-username-token-profile-1.0#PasswordDigest\">{digest}</Password>\
         <Nonce EncodingType=\"{WSS}-soap-message-security-1.0#Base64Binary\">{nonce}</Nonce>\
         <Created xmlns=\"{WSS}-wssecurity-utility-1.0.xsd\">{created}</Created>\
         </UsernameToken></Security>"
    )
}
