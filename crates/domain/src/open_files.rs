//! How many connections of strangers fit beside the files the box itself opens.

use super::limits;

/// Connections each server may hold at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Health and metrics.
    pub web: usize,
    /// The local API.
    pub local_api: usize,
    /// The live stream.
    pub stream: usize,
    /// FTP sessions; each may have a data connection and a port that waits for one.
    pub ftp: usize,
    /// Open files were too few for all that is wanted.
    pub is_short: bool,
}

impl ConnectionLimits {
    /// So few that databases and cameras can always open files, of `open_files` the system allows.
    pub fn of(open_files: u64, devices: usize) -> Self {
        let cameras = (devices as u64 + limits::OPEN_FILES_DEVICES_SPARE) * limits::OPEN_FILES_PER_DEVICE;
        let left = open_files.saturating_sub(limits::OPEN_FILES_OWN + cameras);
        let share = |eighths: u64, most: usize| {
            let part = usize::try_from(left / 8 * eighths).unwrap_or(usize::MAX);
            part.clamp(limits::CONNECTIONS_MIN, most)
        };
        let web = share(1, limits::WEB_CONNECTIONS_MAX);
        let local_api = share(3, limits::LOCAL_CONNECTIONS_MAX);
        let stream = share(1, limits::STREAM_CLIENTS_MAX);
        let ftp = share(1, limits::FTP_SESSIONS_MAX);
        let is_short = web < limits::WEB_CONNECTIONS_MAX
            || local_api < limits::LOCAL_CONNECTIONS_MAX
            || stream < limits::STREAM_CLIENTS_MAX
            || ftp < limits::FTP_SESSIONS_MAX;
        Self { web, local_api, stream, ftp, is_short }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_databases_and_cameras() {
        let plenty = ConnectionLimits::of(65_536, limits::DEVICES_MAX);
        assert_eq!(
            (plenty.web, plenty.local_api, plenty.ftp, plenty.is_short),
            (limits::WEB_CONNECTIONS_MAX, limits::LOCAL_CONNECTIONS_MAX, limits::FTP_SESSIONS_MAX, false)
        );
        assert_eq!(plenty.stream, limits::STREAM_CLIENTS_MAX);
        for open_files in [1024, 2048, 4096, 65_536] {
            for devices in [0, 4, 10, 16] {
                let some = ConnectionLimits::of(open_files, devices);
                let taken = (some.web + some.local_api + some.stream + 3 * some.ftp) as u64;
                let own = limits::OPEN_FILES_OWN + devices as u64 * limits::OPEN_FILES_PER_DEVICE;
                assert!(taken + own <= open_files, "{open_files} files, {devices} devices: {some:?}");
            }
        }
        let few = ConnectionLimits::of(256, 64);
        assert!(few.is_short && few.web == limits::CONNECTIONS_MIN);
    }
}
