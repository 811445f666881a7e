//! https and amqps with an authority of one's own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use menshen_testbed::broker::{PrivateBroker, free_port};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;

use crate::testbed::{SOON, TestBed, eventually};

/// Writes `NAME-ca.pem`, and a certificate of that authority for 127.0.0.1 with its key.
fn authority(folder: &Path, name: &str) {
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_key = KeyPair::generate().unwrap();
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = Issuer::new(ca, ca_key);
    let key = KeyPair::generate().unwrap();
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    for (part, pem) in [("ca", ca_pem), ("cert", certificate.pem()), ("key", key.serialize_pem())] {
        std::fs::write(folder.join(format!("{name}-{part}.pem")), pem).unwrap();
    }
}

/// Speaks TLS to whoever connects, and plainly to `inner`.
fn https_in_front(folder: &Path, inner: SocketAddr) -> (SocketAddr, tokio::runtime::Runtime) {
    // An error means that it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let certificate = CertificateDer::from_pem_file(folder.join("own-cert.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("own-key.pem")).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // Who does not trust us hangs up: nothing to tell.
                let Ok(mut outer) = acceptor.accept(stream).await else { return };
                let mut inner = tokio::net::TcpStream::connect(inner).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
            });
        }
    });
    (address, runtime)
}

#[test]
fn platform_and_broker_are_spoken_to_over_tls() {
    let secure = free_port().unwrap();
    let mut bed = TestBed::with_broker(
        |folder| {
            std::fs::create_dir_all(folder)?;
            authority(folder, "own");
            authority(folder, "foreign");
            let file = |name: &str| folder.join(format!("own-{name}.pem")).display().to_string();
            let config = format!(
                "listeners.ssl.1 = 127.0.0.1:{secure}\nssl_options.cacertfile = {}\nssl_options.certfile = {}\n\
                 ssl_options.keyfile = {}\nssl_options.verify = verify_none\n",
                file("ca"),
                file("cert"),
                file("key"),
            );
            PrivateBroker::start_with(folder, &config, "")
        },
        |_| (),
    );
    let folder = bed.folder.path().join("rabbitmq");
    let inner = bed.platform.login_url().split('/').nth(2).unwrap().parse().unwrap();
    let (outer, _runtime) = https_in_front(&folder, inner);
    bed.platform.patch_login(json!({ "rabbitmq": { "port": secure, "ssl": true } }));

    // An authority that signed neither: no login, and a reason.
    let ca = |name: &str| folder.join(format!("{name}-ca.pem")).display().to_string();
    bed.set("platform.login_url", &format!("https://{outer}/api/gateway/login"));
    bed.set("platform.ca_file", &ca("foreign"));
    bed.start_unlinked();
    eventually("the certificate is refused", SOON, || {
        bed.log().to_lowercase().contains("certificate").then_some(())
    });
    assert!(bed.platform.ledger().of_kind("login").is_empty(), "nothing was said to a stranger");
    bed.stop();

    bed.set("platform.ca_file", &ca("own"));
    bed.start();
    let reply = bed.command(json!({ "method": "delete_users", "userid_list": ["nobody"] }));
    assert_eq!(reply["code"], 0);
    let listeners = bed.broker.as_ref().unwrap().control(&["list_connections", "port", "ssl"]).unwrap();
    assert!(listeners.contains(&format!("{secure}\ttrue")), "{listeners}");

    // The broker alone is not trusted: the platform is reached plainly.
    bed.stop();
    bed.set("platform.login_url", &bed.platform.login_url());
    bed.set("platform.ca_file", &ca("foreign"));
    bed.start_unlinked();
    eventually("the broker is refused", SOON, || {
        bed.log()
            .contains("broker")
            .then(|| bed.log())
            .filter(|log| log.to_lowercase().contains("certificate"))
    });
    assert_eq!(bed.metric("menshen_link_up"), 0.0);
    bed.stop();
}
