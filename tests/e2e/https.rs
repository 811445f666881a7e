//! TLS on the box's own addresses.

use std::io::{Cursor, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use menshen::adapters::tls::{Pinned, fingerprint, make_own, own_paths, read_chain};
use menshen_testbed::broker::free_port;
use suppaftp::{RustlsConnector, RustlsFtpStream};

use crate::photos::{counted, enrol};
use crate::testbed::{SOON, TestBed, eventually, photo};

fn client(certificate: &std::path::Path) -> rustls::ClientConfig {
    Pinned::new(read_chain(certificate).unwrap().swap_remove(0)).client().unwrap()
}

/// Status of a GET over TLS, or why there is none.
fn get(port: u16, path: &str, certificate: &std::path::Path) -> Result<u16, String> {
    let http =
        reqwest::Client::builder().no_proxy().tls_backend_preconfigured(client(certificate)).build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer = runtime.block_on(http.get(format!("https://127.0.0.1:{port}{path}")).send());
    answer.map(|answer| answer.status().as_u16()).map_err(|error| format!("{error:?}"))
}

#[test]
fn addresses_speak_https_with_a_certificate_of_the_boxs_own() {
    let mut bed = TestBed::standalone();
    bed.set("local_api.tls", "true");
    bed.start();
    let own = own_paths(&bed.data_dir()).cert;
    let port = bed.local_port;
    eventually("it speaks https", SOON, || {
        get(port, "/SophonFogSys/api/users", &own).ok().filter(|status| *status == 200)
    });
    let told = fingerprint(&read_chain(&own).unwrap()[0]);
    assert!(bed.log().contains(&told), "{}", bed.log());
    let check = bed.run(&["check"]);
    assert!(String::from_utf8_lossy(&check.stdout).contains(&told), "{check:?}");
    assert!(
        crate::http::call(port, "GET", "/SophonFogSys/api/users", &[], b"").0 == 0,
        "no answer without TLS"
    );
    // The command line finds its way.
    let listed = bed.run(&["devices", "list"]);
    assert!(listed.status.success(), "{listed:?}");

    // Another certificate in its place is used without a restart.
    let other = tempfile::tempdir().unwrap();
    let new = make_own(other.path()).unwrap();
    std::fs::copy(&new.key, own_paths(&bed.data_dir()).key).unwrap();
    std::fs::copy(&new.cert, &own).unwrap();
    eventually("the new certificate", SOON, || get(port, "/SophonFogSys/api/users", &new.cert).ok());
    bed.stop();

    let wrong = bed.folder.path().join("wrong.pem");
    std::fs::write(&wrong, "no certificate").unwrap();
    bed.set("local_api.tls_cert", &format!("{:?}", wrong.display().to_string()));
    bed.set("local_api.tls_key", &format!("{:?}", wrong.display().to_string()));
    let check = bed.run(&["check"]);
    assert!(
        !check.status.success() && String::from_utf8_lossy(&check.stderr).contains("holds no certificate")
    );
}

#[test]
fn cameras_upload_encrypted() {
    let mut bed = TestBed::standalone();
    let (port, passive) = (free_port().unwrap(), free_port().unwrap());
    bed.add_config(&format!(
        "\n[ftp]\nlisten = \"127.0.0.1:{port}\"\npassive_ports = [{passive}, {}]\ntls = true\nrequire_tls = true\n\
         [[devices]]\nip = \"cam1\"\ntype = \"snapshot-camera\"\npipeline = \"ftp\"\nftp_user = \"cam1\"\n\
         ftp_password = \"cam1-s3cret\"\n",
        passive.saturating_add(40)
    ));
    bed.start();
    for port in [port, bed.local_port] {
        eventually("it listens", SOON, || TcpStream::connect(("127.0.0.1", port)).ok());
    }
    enrol(&bed, "1001", "Barack Obama", "obama-1.jpg");
    eventually("the camera is listened for", SOON, || {
        (bed.metric("menshen_device_online") >= 1.0).then_some(())
    });
    let mut plain = suppaftp::FtpStream::connect(("127.0.0.1", port)).unwrap();
    assert!(plain.login("cam1", "cam1-s3cret").unwrap_err().to_string().contains("530"), "not in the clear");

    let own = own_paths(&bed.data_dir()).cert;
    let connector = RustlsConnector::from(Arc::new(client(&own)));
    let camera = RustlsFtpStream::connect(("127.0.0.1", port)).unwrap();
    let mut camera = camera.into_secure(connector, "localhost").unwrap();
    camera.login("cam1", "cam1-s3cret").unwrap();
    camera.transfer_type(suppaftp::types::FileType::Binary).unwrap();
    camera.put_file("a.jpg", &mut Cursor::new(photo("obama-2.jpg"))).unwrap();
    assert_eq!(counted(&bed, "cam1", "recognised"), 1.0);
    let _ = camera.quit();

    // Python's client insists on the farewell of TLS at the end of a file, and speaks TLS 1.3.
    let script = "import ftplib, ssl, sys\n\
                  context = ssl._create_unverified_context()\n\
                  context.minimum_version = ssl.TLSVersion[sys.argv[3]]\n\
                  context.maximum_version = ssl.TLSVersion[sys.argv[3]]\n\
                  ftp = ftplib.FTP_TLS(context=context)\n\
                  ftp.connect('127.0.0.1', int(sys.argv[1]))\n\
                  ftp.login('cam1', 'cam1-s3cret')\n\
                  ftp.prot_p()\n\
                  print(ftp.storbinary('STOR b.jpg', open(sys.argv[2], 'rb')))\n\
                  ftp.quit()\n";
    for version in ["TLSv1_3", "TLSv1_2"] {
        let file = crate::testbed::picture("biden-1.jpg");
        let arguments = ["-c", script, &port.to_string(), file.to_str().unwrap(), version];
        let output = std::process::Command::new("python3").args(arguments).output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && told.contains("226"), "{version}: {told}{errors}");
    }

    // What is said in the clear behind AUTH TLS would count as said encrypted.
    let mut sneak = TcpStream::connect(("127.0.0.1", port)).unwrap();
    sneak.write_all(b"AUTH TLS\r\nUSER cam1\r\nPASS cam1-s3cret\r\n").unwrap();
    let mut answer = String::new();
    let _ = sneak.read_to_string(&mut answer);
    assert!(!answer.contains("230") && !answer.contains("331"), "{answer}");
    bed.stop();
}

#[test]
fn nothing_goes_out_without_tls_where_that_is_required() {
    let mut bed = TestBed::standalone();
    bed.set("platform.require_tls", "true");
    let told = String::from_utf8(bed.run(&["check"]).stderr).unwrap();
    assert!(told.contains("`events.realtime_urls`") && told.contains("https://"), "standalone: {told}");
    bed.set("mode", "\"platform\"");
    bed.set("platform.login_url", "\"http://127.0.0.1:9/login\"");
    bed.set("platform.dev_sno", "\"UMOTRU000120190909103019\"");
    bed.set("platform.require_tls", "true");
    bed.set("events.history_urls", "[\"http://10.0.0.9/x\", \"https://10.0.0.9/y\"]");
    bed.set("status.monitor_urls", "[\"http://10.0.0.9/x\"]");
    let told = String::from_utf8(bed.run(&["check"]).stderr).unwrap();
    for key in ["`platform.login_url`", "`events.history_urls`", "`status.monitor_urls`"] {
        assert!(told.contains(key) && told.contains("https://"), "{key} not in {told}");
    }
    bed.set("platform.login_url", "\"https://127.0.0.1:9/login\"");
    bed.set("events.history_urls", "[]");
    bed.set("status.monitor_urls", "[]");
    bed.set("events.realtime_urls", "[]");
    bed.start_unlinked();
    let port = bed.local_port;
    eventually("the local API answers", SOON, || TcpStream::connect(("127.0.0.1", port)).ok());
    for (path, body) in [
        ("/SophonFogSys/api/HistoryEventUrl", serde_json::json!({ "urls": ["http://10.0.0.9/x"] })),
        ("/SophonFogSys/api/EventServerUrl", serde_json::json!({ "url": "https://h/x,http://10.0.0.9/x" })),
        ("/SophonMQ/api/LoginUrl", serde_json::json!({ "login_url": "http://10.0.0.9/login" })),
    ] {
        let (status, answer) = crate::http::json(port, "PUT", path, &body);
        assert_eq!(status, 400, "{answer}");
        assert!(answer.to_string().contains("require_tls"), "{answer}");
    }
    bed.stop();
}
