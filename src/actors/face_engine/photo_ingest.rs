//! The photo queue as the receivers of photos see it.

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::message::RecognisePhoto;
use super::photos::PhotoIntake;
use crate::ports::photos::{OutcomeFuture, PhotoIngest, PhotoOutcome};
use menshen_domain::photo::{DevicePicture, PhotoResult};

impl PhotoIngest for PhotoIntake {
    fn login(&self, user: &str, password: &str) -> Option<String> {
        // Digests are compared, and every account is, so that the time taken reveals nothing.
        let given = (Sha256::digest(user), Sha256::digest(password));
        let mut found = Vec::new();
        for device in self.devices() {
            let Some(account) = &device.config.photos.ftp else { continue };
            if (Sha256::digest(&account.user), Sha256::digest(&account.password)) == given {
                // Two devices can come to share an account while the box runs; then neither is taken for the other.
                found.push(device.config.ip.clone());
            }
        }
        if found.len() == 1 { found.pop() } else { None }
    }

    fn heard(&self, device: &str) {
        if let Some(device) = self.find(device) {
            self.touch(&device);
        }
    }

    fn has_room(&self) -> bool {
        PhotoIntake::has_room(self)
    }

    fn refuse(&self, device: &str, result: PhotoResult) {
        if let Some(device) = self.find(device) {
            PhotoIntake::refuse(self, &device, result);
        }
    }

    fn take(&self, device: &str, photo: Bytes) -> OutcomeFuture<'_> {
        let received_ms = self.rules.clock.wall_ms();
        let photo =
            RecognisePhoto { device: device.to_owned(), pictures: DevicePicture::only(photo), received_ms };
        Box::pin(async move {
            let mut answer = self.recognise(photo).await?;
            Some(PhotoOutcome { result: answer.result, stored: answer.stored().await })
        })
    }
}
