//! Secrets: in files of the owner, and nowhere else.

use model::{Content, ContentPiece, SecretVersion};

use crate::host::{Ack, Host, limits, nonce, plan, reports, run_id, secret, shells, with_body};
use plan::apply::{HostRun, ScriptError, script};

const CANARY: &str = "hunter22-canary";

fn content(name: &str) -> Content {
    let secret = SecretVersion { name: name.into(), version: "3".into() };
    Content(vec![
        ContentPiece::Plain(b"password=".to_vec()),
        ContentPiece::Secret(secret),
        ContentPiece::Plain(b"\n".to_vec()),
    ])
}

#[test]
fn a_secret_is_in_its_file_only_and_never_shown() {
    for shell in shells() {
        let host = Host::new(shell);
        let copy = host.path("copy");
        let action = format!(
            "cp \"$BODY_0\" '{0}'; cat \"$BODY_0\"; cat \"$BODY_0\" >&2; stat -c %a \"$BODY_0\"; \
             for p in /proc/[0-9]*; do cat $p/cmdline $p/environ; done >'{0}.seen' 2>/dev/null; true",
            copy.display()
        );
        let reports = reports(&host.apply(&plan(vec![with_body(&action, content("known"))]), Ack::Never));
        assert_eq!(std::fs::read_to_string(&copy).expect("a file"), format!("password={CANARY}\n"));
        let seen = std::fs::read(host.path("copy.seen")).expect("a file");
        assert!(!String::from_utf8_lossy(&seen).contains(CANARY), "{shell:?}");
        assert_eq!(reports[&0].stdout, b"password=[secret]\n600\n", "{shell:?}");
        assert_eq!(reports[&0].stderr, b"password=[secret]\n", "{shell:?}");
        assert!(!host.run_folder().join("body.0.0").exists(), "{shell:?}: the body must be gone");
    }
}

#[test]
fn no_script_is_made_without_its_secret() {
    let plan = plan(vec![with_body("true", content("rotated"))]);
    let run = HostRun { plan: &plan, run: &run_id(), earlier: &Default::default(), rerun: false };
    let error = script(&run, &nonce(), &secret, &limits()).expect_err("there is no such secret");
    assert!(matches!(error, ScriptError::SecretUnknown { step: 0, .. }), "{error}");
    let plan = crate::host::plan(vec![with_body("true", content("known"))]);
    let run = HostRun { plan: &plan, run: &run_id(), earlier: &Default::default(), rerun: false };
    let script = script(&run, &nonce(), &secret, &limits()).expect("a script");
    assert!(!format!("{script:?}").contains(CANARY));
}
