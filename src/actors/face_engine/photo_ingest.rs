//! The photo queue as those see it who receive photos.

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::message::RecognisePhoto;
use super::photos::PhotoIntake;
use crate::ports::photos::{OutcomeFuture, PhotoIngest, PhotoOutcome};
use menshen_domain::photo::PhotoResult;

impl PhotoIngest for PhotoIntake {
    fn login(&self, user: &str, password: &str) -> Option<String> {
        // Digests are compared, so that the time taken tells nothing; every account is looked at.
        let given = (Sha256::digest(user), Sha256::digest(password));
        let mut found = Vec::new();
        for lane in self.lanes() {
            let Some(account) = &lane.device.photos.ftp else { continue };
            if (Sha256::digest(&account.user), Sha256::digest(&account.password)) == given {
                // Two devices with one account can only be made while the box runs; nobody is taken for the other.
                found.push(lane.device.ep_id.clone());
            }
        }
        if found.len() == 1 { found.pop() } else { None }
    }

    fn heard(&self, device: &str) {
        if let Some(lane) = self.find(device) {
            PhotoIntake::heard(self, &lane);
        }
    }

    fn has_room(&self) -> bool {
        PhotoIntake::has_room(self)
    }

    fn refuse(&self, device: &str, result: PhotoResult) {
        if let Some(lane) = self.find(device) {
            PhotoIntake::refuse(self, &lane, result);
        }
    }

    fn take(&self, device: &str, photo: Bytes) -> OutcomeFuture<'_> {
        let received_ms = self.rules.clock.wall_ms();
        let photo = RecognisePhoto { device: device.to_owned(), photo, received_ms };
        Box::pin(async move {
            let mut answer = self.recognise(photo).await?;
            Some(PhotoOutcome { result: answer.result, stored: answer.stored().await })
        })
    }
}
