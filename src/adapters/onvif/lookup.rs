//! From a camera's device service to the RTSP addresses of its profiles.

use std::time::{Duration, Instant};

use url::Url;

use super::client::{Client, now_ms};
use super::{Login, OnvifError};
use menshen_domain::limits;
use menshen_protocol::onvif::device::{
    self, CameraHost, MediaServices, get_capabilities, get_services, get_system_date_and_time,
};
use menshen_protocol::onvif::media::{self, Profile, StreamAddress, Version, get_profiles, get_stream_uri};

/// What a camera answered.
#[derive(Debug)]
pub struct Found {
    /// How far its clock is ahead of this machine's; `None` where it is not known.
    pub clock_ahead_ms: Option<i64>,
    pub version: Version,
    /// Hosts in the camera's answers that were replaced by the installer's.
    pub moved: Vec<String>,
    pub streams: Vec<FoundStream>,
}

/// A profile and its address; one profile may fail where others do not.
#[derive(Debug)]
pub struct FoundStream {
    pub profile: Profile,
    pub address: Result<StreamAddress, OnvifError>,
}

/// Asks the camera whose device service is at `device`, within `ONVIF_LOOKUP_MS`.
pub async fn streams(device: &Url, login: Option<Login>) -> Result<Found, OnvifError> {
    let until = Instant::now() + Duration::from_millis(limits::ONVIF_LOOKUP_MS);
    let (mut client, ip) = Client::reach(device, login, until).await?;
    let named = CameraHost { url: device.clone(), ip };
    client.clock_ahead_ms = clock_ahead_ms(&mut client, device).await?;
    let services = services(&mut client, device).await?;
    let mut moved = Vec::new();
    let (version, at, profiles) = profiles(&mut client, &named, services, &mut moved).await?;
    let mut streams: Vec<FoundStream> = Vec::new();
    for profile in profiles {
        let address = match client.call(&at, &get_stream_uri(version, &profile.token)).await {
            // It would be the same for all of them, and each try brings the account nearer to being locked.
            Err(refused @ (OnvifError::Unauthorized { .. } | OnvifError::LoginScheme(_))) => {
                return Err(refused);
            }
            Err(other) => Err(other),
            Ok(answer) => answer.read(|bytes| media::read_stream(bytes, &named)),
        };
        let host = address.as_ref().ok().and_then(|address| address.moved.clone());
        moved.extend(host);
        streams.push(FoundStream { profile, address });
    }
    if let Some(first) = streams.iter().find_map(|stream| stream.address.as_ref().err())
        && streams.iter().all(|stream| stream.address.is_err())
    {
        return Err(first.clone());
    }
    moved.sort();
    moved.dedup();
    Ok(Found { clock_ahead_ms: client.clock_ahead_ms, version, moved, streams })
}

/// The camera's clock against this one's. Some cameras want a login even for this, and some give no usable time.
async fn clock_ahead_ms(client: &mut Client, device: &Url) -> Result<Option<i64>, OnvifError> {
    let request = get_system_date_and_time();
    let answer = match client.call_open(device, &request).await {
        Err(OnvifError::Unauthorized { .. }) if client.has_login() => client.call(device, &request).await?,
        other => other?,
    };
    match answer.read(device::read_clock) {
        Ok(clock) => Ok(clock.map(|camera_ms| camera_ms - now_ms())),
        // A camera without a clock may have streams all the same.
        Err(OnvifError::Fault(..) | OnvifError::Xml(..)) => Ok(None),
        Err(other) => Err(other),
    }
}

async fn services(client: &mut Client, device: &Url) -> Result<MediaServices, OnvifError> {
    let answer = client.call(device, &get_services()).await?;
    let answered = answer.read(|bytes| device::read_services(bytes, device));
    if let Ok(services) = &answered
        && !services.is_empty()
    {
        return answered;
    }
    // Cameras from before 2011 know no GetServices, and say so in many ways.
    let answer = client.call(device, &get_capabilities()).await?;
    let services = answer.read(|bytes| device::read_capabilities(bytes, device))?;
    if services.is_empty() { Err(OnvifError::NoMedia) } else { Ok(services) }
}

/// Of version 2 where the camera has it, since version 1 does not know H.265 and leaves such streams' codec or all of them
/// out; else, and where version 2 does not work, of version 1.
async fn profiles(
    client: &mut Client,
    named: &CameraHost,
    services: MediaServices,
    moved: &mut Vec<String>,
) -> Result<(Version, Url, Vec<Profile>), OnvifError> {
    let mut last = OnvifError::NoProfiles;
    for (version, at) in [(Version::Two, services.media_2), (Version::One, services.media)] {
        let Some((at, host)) = at.map(|at| named.reach(at)) else { continue };
        let profiles = match client.call(&at, &get_profiles(version)).await {
            Err(refused @ (OnvifError::Unauthorized { .. } | OnvifError::LoginScheme(_))) => {
                return Err(refused);
            }
            Err(other) => Err(other),
            Ok(answer) => answer.read(media::read_profiles),
        };
        match profiles {
            Ok(profiles) if profiles.is_empty() => last = OnvifError::NoProfiles,
            Ok(profiles) => {
                moved.extend(host);
                return Ok((version, at, profiles));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}
