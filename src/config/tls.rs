//! Which certificate each address of the box shows.

use std::path::PathBuf;

use super::reader::Section;
use crate::regular_file;
use menshen_domain::text;

/// TLS of one address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum TlsSettings {
    #[default]
    Off,
    /// With a certificate the box makes itself.
    SelfMade,
    /// With a certificate and its key, PEM.
    Files(CertificateFiles),
}

/// Where a certificate is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// `[tls]`: the certificate of every address that has none of its own.
pub fn read_common(mut section: Section<'_>) -> Option<CertificateFiles> {
    let files = read_files(&mut section, "cert", "key");
    section.finish();
    files
}

/// `tls`, `tls_cert` and `tls_key` of one address.
pub fn read_tls(section: &mut Section<'_>, common: Option<&CertificateFiles>) -> TlsSettings {
    let is_on = section.take("tls", false);
    match read_files(section, "tls_cert", "tls_key") {
        Some(files) => TlsSettings::Files(files),
        None if is_on => common.cloned().map_or(TlsSettings::SelfMade, TlsSettings::Files),
        None => TlsSettings::Off,
    }
}

fn read_files(section: &mut Section<'_>, cert: &'static str, key: &'static str) -> Option<CertificateFiles> {
    let files =
        CertificateFiles { cert: section.take(cert, PathBuf::new()), key: section.take(key, PathBuf::new()) };
    let (no_cert, no_key) = (files.cert.as_os_str().is_empty(), files.key.as_os_str().is_empty());
    if no_cert && no_key {
        return None;
    }
    for (name, path, other) in [(cert, &files.cert, key), (key, &files.key, cert)] {
        if path.as_os_str().is_empty() {
            section.wrong(
                name,
                text!(
                    "must be given with `{other}`: a certificate is of no use without its key",
                    "须与 `{other}` 一同填写：证书与私钥缺一不可"
                ),
            );
        } else if let Err(no_file) = regular_file::look(path) {
            section.wrong(name, no_file.text(path));
        }
    }
    Some(files)
}
