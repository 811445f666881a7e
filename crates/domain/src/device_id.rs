//! Ids of devices as the published calls have them: UUIDs.

use sha1::{Digest as _, Sha1};

/// Name space of URLs (RFC 9562, appendix), in which the names of devices are.
const NAME_SPACE: [u8; 16] =
    [0x6B, 0xA7, 0xB8, 0x11, 0x9D, 0xAD, 0x11, 0xD1, 0x80, 0xB4, 0x00, 0xC0, 0x4F, 0xD4, 0x30, 0xC8];

/// The id of a device that was given none: UUID v5 of its address, the same for ever.
pub fn of_ip(ip: &str) -> String {
    let digest = Sha1::new().chain_update(NAME_SPACE).chain_update(ip).finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    // Version 5, and the variant of the RFC.
    bytes[6] = (bytes[6] & 0x0F) | 0x50;
    bytes[8] = (bytes[8] & 0x3F) | 0x80;
    let hex = format!("{:032x}", u128::from_be_bytes(bytes));
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_id_for_ever() {
        // As `uuid.uuid5(uuid.NAMESPACE_URL, ...)` of Python's standard library has it.
        assert_eq!(of_ip("192.168.1.25"), "f6d39ffc-9718-5701-941e-a6d537b2dbab");
        assert_ne!(of_ip("192.168.1.25"), of_ip("192.168.1.26"));
    }
}
