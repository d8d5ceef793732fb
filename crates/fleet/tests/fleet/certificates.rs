//! Certificates made by ssh-keygen: of hosts and of users; known_hosts of a real host.

use std::path::{Path, PathBuf};

use fleet::{
    ConnectError, Connector, Identities, KnownHosts, LoginKeys, SshConnector, Target, Trust, host_key_name,
};
use jiff::Timestamp;
use model::{Code, HostKey};

use crate::sshd::{Sshd, run};
use crate::{keys, limits, within};

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// Makes an authority and signs a public key of the directory with it, once.
fn certify(directory: &Path, key: &str, more: &[&str]) {
    let authority = directory.join("authority");
    if !authority.exists() {
        run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &text(&authority)]);
    }
    let public = directory.join(format!("{key}.pub"));
    if !public.exists() {
        std::fs::write(&public, run("ssh-keygen", &["-y", "-f", &text(&directory.join(key))]))
            .expect("a key");
    }
    let authority = text(&authority);
    let mut arguments = vec!["-q", "-s", &authority, "-I", "made for a test"];
    arguments.extend(more);
    let public = text(&public);
    arguments.push(&public);
    run("ssh-keygen", &arguments);
}

fn with_host_certificate(directory: &Path) -> String {
    certify(directory, "host_rsa", &["-h", "-n", "web1.example.org", "-V", "+52w"]);
    format!("HostCertificate {}\n", text(&directory.join("host_rsa-cert.pub")))
}

fn certified(sshd: &Sshd, trust: Trust) -> Target {
    let mut target = sshd.target_with(vec![]);
    target.access.trust = trust;
    target
}

async fn exec(sshd: &Sshd, target: &Target) -> Result<(), ConnectError> {
    let connector = SshConnector::new(sshd.identities());
    within(connector.exec(target, b"echo here\n", &limits())).await.map(drop)
}

#[tokio::test]
async fn a_host_s_certificate_counts_if_its_authority_name_and_time_do() {
    let Some(sshd) = Sshd::start_with(&with_host_certificate, None) else { return };
    let good = Trust {
        authorities: vec![sshd.host_key("authority")],
        revoked: vec![],
        name: "web1.example.org".to_owned(),
        now: Timestamp::now(),
    };
    exec(&sshd, &certified(&sshd, good.clone())).await.expect("a certified host");
    let accepted = sshd.count("Accepted publickey");
    let refused = [
        Trust { name: "web2.example.org".to_owned(), ..good.clone() },
        Trust { now: Timestamp::default(), ..good.clone() },
        Trust { authorities: vec![keys::pin(&keys::key(99))], ..good.clone() },
    ];
    for trust in refused {
        let error = exec(&sshd, &certified(&sshd, trust)).await.expect_err("a bad certificate");
        assert_eq!(error.code(), Code::CollectHostCertificateRefused, "{error:?}");
    }
    for name in ["host_rsa", "authority"] {
        let trust = Trust { revoked: vec![sshd.host_key(name)], ..good.clone() };
        let error = exec(&sshd, &certified(&sshd, trust)).await.expect_err("a revoked key");
        assert_eq!(error.code(), Code::CollectHostKeyRevoked, "{error:?}");
    }
    assert_eq!(sshd.count("Accepted publickey"), accepted, "nobody logs in to a host that is not trusted");
}

#[tokio::test]
async fn a_host_without_certificate_is_not_trusted_for_its_authority() {
    let Some(sshd) = Sshd::start() else { return };
    let trust = Trust { authorities: vec![keys::pin(&keys::key(99))], ..Trust::default() };
    let error = exec(&sshd, &certified(&sshd, trust)).await.expect_err("no certificate");
    let ConnectError::HostKeyChanged { pinned, .. } = &error else { panic!("{error:?}") };
    assert!(pinned[0].contains("a certificate of SHA256:"), "{pinned:?}");
    assert_eq!(sshd.count("Accepted"), 0);
}

#[tokio::test]
async fn a_revoked_key_is_refused_though_it_is_pinned() {
    let Some(sshd) = Sshd::start() else { return };
    let mut target = sshd.target();
    target.access.trust.revoked = vec![keys::pin(&keys::key(11))];
    let error = exec(&sshd, &target).await.expect_err("a revoked key");
    assert_eq!(error.code(), Code::CollectHostKeyRevoked, "{error:?}");
    sshd.wait_for("[preauth]");
    assert_eq!(sshd.count("Accepted"), 0);
}

#[tokio::test]
async fn hashed_known_hosts_with_port_and_alias_pin_a_host() {
    let Some(sshd) = Sshd::start() else { return };
    let path = sshd.path("known_hosts");
    let name = host_key_name("127.0.0.1", sshd.port());
    let key = keys::pin(&keys::key(11));
    std::fs::write(&path, format!("{name} {key}\nalias.example.org {key}\n")).expect("a file");
    run("ssh-keygen", &["-q", "-H", "-f", &text(&path)]);
    let (known, problems) = KnownHosts::read(&[&path]);
    assert!(problems.is_empty(), "{problems:?}");
    for name in [name.as_str(), "alias.example.org"] {
        exec(&sshd, &sshd.target_with(known.find(name).keys)).await.expect("a known host");
    }
    let unknown: Vec<HostKey> = known.find("127.0.0.1").keys;
    assert_eq!(unknown, [], "another port is another host");
}

fn with_user_authority(directory: &Path) -> String {
    for kind in ["ed25519", "rsa"] {
        let key = format!("certified_{kind}");
        if !directory.join(&key).exists() {
            run("ssh-keygen", &["-q", "-t", kind, "-N", "", "-f", &text(&directory.join(&key))]);
        }
        certify(directory, &key, &["-n", &run("id", &["-un"])]);
    }
    format!("TrustedUserCAKeys {}\n", text(&directory.join("authority.pub")))
}

async fn log_in(sshd: &Sshd, identities: Identities, login: LoginKeys) -> Result<(), ConnectError> {
    let mut target = sshd.target();
    target.access.login = login;
    within(SshConnector::new(identities).exec(&target, b"echo here\n", &limits())).await.map(drop)
}

#[tokio::test]
async fn a_user_s_certificate_logs_in() {
    let Some(sshd) = Sshd::start_with(&with_user_authority, None) else { return };
    for kind in ["ed25519", "rsa"] {
        let key = sshd.path(&format!("certified_{kind}"));
        let identities = Identities { agent_socket: None, key_files: vec![key.clone()] };
        log_in(&sshd, identities.clone(), LoginKeys::default())
            .await
            .unwrap_or_else(|error| panic!("{kind}: {error}"));
        // The same certificate, but not beside the key.
        let elsewhere = sshd.path("elsewhere.pub");
        std::fs::rename(sshd.path(&format!("certified_{kind}-cert.pub")), &elsewhere).expect("a certificate");
        let error =
            log_in(&sshd, identities.clone(), LoginKeys::default()).await.expect_err("no certificate");
        assert_eq!(error.code(), Code::CollectUnauthenticated);
        let named = LoginKeys { certificate_files: vec![elsewhere.clone()], ..LoginKeys::default() };
        log_in(&sshd, identities, named).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
    }
    assert_eq!(sshd.count("Accepted publickey"), 4);
    let by_certificate = sshd.count("-CERT SHA256:");
    assert!(by_certificate >= 4, "{by_certificate} lines of the log are about certificates");
}

#[tokio::test]
async fn the_files_of_a_login_stand_in_for_the_usual_ones() {
    let Some(sshd) = Sshd::start() else { return };
    let strangers: Vec<PathBuf> = (100..104)
        .map(|seed| keys::write(&keys::key(seed), sshd.directory.path(), &format!("s{seed}")))
        .collect();
    let identities = Identities { agent_socket: None, key_files: strangers };
    let named = LoginKeys { key_files: vec![sshd.path("login_ed25519")], ..LoginKeys::default() };
    log_in(&sshd, identities.clone(), named).await.expect("a named key");
    log_in(&sshd, identities, LoginKeys::default()).await.expect_err("only strangers");
}
