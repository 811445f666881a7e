//! Lines for an installer to copy: `menshen devices add` for each lens of a camera.

use crate::adapters::onvif::lookup::FoundStream;
use menshen_protocol::onvif::media::{PASSWORD_HERE, Profile, StreamAddress};

/// A sub-stream that is narrower shows no face well that is not close to the lens.
const LIGHTER_WIDTH_MIN: u32 = 640;
/// A sub-stream of more pixels than 720p is hardly less work than the main one.
const LIGHTER_PIXELS_MAX: u64 = 1280 * 720;

/// A line a lens or channel.
pub struct Suggested {
    /// The stream with the largest picture.
    pub whole: Vec<String>,
    /// A sub-stream, with the main one for the pictures of events; of lenses that have both.
    pub lighter: Vec<String>,
}

impl Suggested {
    /// `user` is who asked the camera.
    pub fn of(streams: &[FoundStream], host: &str, user: Option<&str>) -> Self {
        let mut lenses: Vec<Vec<Offer<'_>>> = Vec::new();
        for stream in streams {
            let Ok(address) = &stream.address else { continue };
            let offer = Offer { profile: &stream.profile, address };
            match lenses.iter_mut().find(|known| known[0].profile.source == stream.profile.source) {
                Some(lens) => lens.push(offer),
                None => lenses.push(vec![offer]),
            }
        }
        let mut suggested = Self { whole: Vec::new(), lighter: Vec::new() };
        for (place, lens) in lenses.iter().enumerate() {
            let host = host.trim_matches(['[', ']']);
            let ip = if place == 0 { host.to_owned() } else { format!("{host}-{}", place + 1) };
            let add = format!("menshen devices add {} type=network-camera", quoted(&ip));
            // Of equals the first, as the camera lists them.
            let Some(main) = lens.iter().rev().max_by_key(|offer| offer.worth()) else { continue };
            let main_url = main.address.to_enter(user);
            suggested.whole.push(format!("{add} {}", quoted(&format!("url={main_url}"))));
            let smaller =
                lens.iter().rev().filter(|offer| offer.is_lighter() && offer.worth() < main.worth());
            if let Some(sub) = smaller.max_by_key(|offer| offer.worth()) {
                let url = quoted(&format!("url={}", sub.address.to_enter(user)));
                let parameters =
                    quoted(&format!("parameters={{ main_url = {} }}", toml::Value::String(main_url)));
                suggested.lighter.push(format!("{add} {url} {parameters}"));
            }
        }
        suggested
    }

    /// Whether a password has to be put in.
    pub fn has_password(&self) -> bool {
        self.whole.iter().any(|line| line.contains(PASSWORD_HERE))
    }
}

struct Offer<'a> {
    profile: &'a Profile,
    address: &'a StreamAddress,
}

impl Offer<'_> {
    fn pixels(&self) -> u64 {
        self.profile.size.map_or(0, |(width, height)| u64::from(width) * u64::from(height))
    }

    /// The biggest picture is best, of those that are video.
    fn worth(&self) -> (bool, u64) {
        (self.profile.codec.as_deref() != Some("JPEG"), self.pixels())
    }

    fn is_lighter(&self) -> bool {
        let is_wide = self.profile.size.is_some_and(|(width, _)| width >= LIGHTER_WIDTH_MIN);
        is_wide && self.pixels() <= LIGHTER_PIXELS_MAX
    }
}

/// As a shell takes it for one word, whatever a camera put into it.
fn quoted(word: &str) -> String {
    let is_plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '/' | '=' | '@');
    if word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_cannot_leave_its_word_in_a_shell() {
        assert_eq!(quoted("10.0.0.9"), "10.0.0.9");
        assert_eq!(quoted("url=rtsp://h/a?b=1&c=2"), "'url=rtsp://h/a?b=1&c=2'");
        assert_eq!(quoted("x';reboot;'"), r"'x'\'';reboot;'\'''");
    }
}
