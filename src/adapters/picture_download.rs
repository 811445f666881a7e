//! Pictures of other servers, for callers of the local API: one request, to an address that was looked at before, without redirects,
//! proxies and cookies, and bounded in time and size.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reqwest::Client;
use reqwest::redirect::Policy;
use url::Url;

use crate::ports::picture_download::{DownloadError, PictureDownload};
use menshen_domain::limits;
use menshen_domain::public_address::is_public;

/// Fetches pictures.
pub struct HttpPictures {
    /// Addresses without TLS are not asked.
    pub require_tls: bool,
}

const LIMIT: Duration = Duration::from_millis(limits::PICTURE_DOWNLOAD_MS);

impl HttpPictures {
    async fn get_now(&self, url: &Url, from_anywhere: bool) -> Result<Bytes, DownloadError> {
        let host = url.host_str().filter(|_| matches!(url.scheme(), "http" | "https"));
        let host = host.ok_or(DownloadError::Scheme)?;
        if self.require_tls && url.scheme() != "https" {
            return Err(DownloadError::NotSecure);
        }
        let port = url.port_or_known_default().ok_or(DownloadError::Scheme)?;
        let name = host.trim_matches(['[', ']']);
        let found = tokio::net::lookup_host((name, port)).await.map_err(|_| DownloadError::Unresolved)?;
        let addresses: Vec<SocketAddr> = found.collect();
        if addresses.is_empty() {
            return Err(DownloadError::Unresolved);
        }
        if !from_anywhere && !addresses.iter().all(|address| is_public(address.ip())) {
            return Err(DownloadError::Private);
        }
        // The name is not asked for again: it could have another address by then.
        let client = Client::builder()
            .resolve_to_addrs(host, &addresses)
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .user_agent(concat!("menshen/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|_| DownloadError::Failed)?;
        let mut response = client.get(url.clone()).send().await.map_err(|_| DownloadError::Failed)?;
        if !response.status().is_success() {
            return Err(DownloadError::Status(response.status().as_u16()));
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|_| DownloadError::Failed)? {
            if body.len() + chunk.len() > limits::PHOTO_BYTES_MAX {
                return Err(DownloadError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }
}

impl PictureDownload for HttpPictures {
    fn get<'a>(&'a self, url: &'a Url, from_anywhere: bool) -> BoxFuture<'a, Result<Bytes, DownloadError>> {
        let limited = tokio::time::timeout(LIMIT, self.get_now(url, from_anywhere));
        async { limited.await.unwrap_or(Err(DownloadError::Failed)) }.boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn private_networks_are_not_asked_for_callers_from_elsewhere() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        server.set_nonblocking(true).unwrap();
        let port = server.local_addr().unwrap().port();
        let pictures = HttpPictures { require_tls: false };
        for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433"] {
            let url = Url::parse(&format!("http://{host}:{port}/x.jpg")).unwrap();
            assert_eq!(pictures.get(&url, false).await, Err(DownloadError::Private), "{host}");
        }
        assert_eq!(server.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "nobody came");
        for (url, expected) in
            [("ftp://127.0.0.1/x", DownloadError::Scheme), ("file:///etc/passwd", DownloadError::Scheme)]
        {
            assert_eq!(pictures.get(&Url::parse(url).unwrap(), true).await, Err(expected), "{url}");
        }
        let strict = HttpPictures { require_tls: true };
        let url = Url::parse(&format!("http://127.0.0.1:{port}/x.jpg")).unwrap();
        assert_eq!(strict.get(&url, true).await, Err(DownloadError::NotSecure));
    }

    #[tokio::test]
    async fn a_picture_comes_whole_and_redirects_are_not_followed() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        let answers = [
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        ];
        let serving = std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = server.accept().unwrap();
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        let pictures = HttpPictures { require_tls: false };
        let url = Url::parse(&format!("http://localhost:{port}/x.jpg")).unwrap();
        assert_eq!(pictures.get(&url, true).await.as_deref(), Ok(b"abc".as_slice()));
        assert_eq!(pictures.get(&url, true).await, Err(DownloadError::Status(302)));
        serving.join().unwrap();
    }
}
