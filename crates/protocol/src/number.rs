//! Numbers as bodies write them.

/// Two decimals more than a percent: enough for the platform, short on the wire.
pub(crate) fn rounded(value: f32) -> f64 {
    (f64::from(value) * 10_000.0).round() / 10_000.0
}
