//! The certificates of the box's addresses, for `menshen check`.

use super::language::said;
use super::output::print_line;
use crate::adapters::tls::ServerTls;
use crate::config::Settings;
use crate::config::tls::TlsSettings;
use crate::runtime::listeners::certificate_paths;
use crate::runtime::problems::Problems;

/// Prints the fingerprints, and returns what is wrong.
pub fn show(settings: &Settings) -> Problems {
    let mut problems = Problems::default();
    for (section, tls) in
        [("web", &settings.web_tls), ("local_api", &settings.local_api.tls), ("ftp", &settings.ftp.tls)]
    {
        let Some(paths) = certificate_paths(settings, tls) else { continue };
        if *tls == TlsSettings::SelfMade && !paths.cert.exists() {
            print_line(&said!(
                "{section}: the first start makes a certificate",
                "{section}：首次启动时生成证书"
            ));
            continue;
        }
        match ServerTls::open(paths) {
            Ok(tls) => {
                let fingerprint = tls.fingerprint();
                print_line(&said!(
                    "{section}: certificate SHA-256 {fingerprint}",
                    "{section}：证书 SHA-256 {fingerprint}"
                ));
            }
            Err(error) => problems.push(format!("{section}.tls: {error}")),
        }
    }
    problems
}
