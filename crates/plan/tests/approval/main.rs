//! Approvals signed by the real `ssh-keygen`, and everything that must not count as one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use jiff::Timestamp;
use model::{
    Change, ClientName, Condition, HostName, HostPlan, PersonName, Place, Plan, PublicKey, Risk, Step,
};
use plan::{
    Approval, ApprovalCheck, ApprovalPolicy, ApprovalRefused, ApprovedPlan, SignatureRefused,
    approval_message, content_hash, verify_signature,
};
use proptest::prelude::*;

fn person(name: &str) -> PersonName {
    PersonName::new(name).expect("a name")
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).expect("a time")
}

fn plan(risks: Vec<Risk>, change: Change) -> Plan {
    let step = Step {
        operation: "server.shell".to_owned(),
        subject: "x".to_owned(),
        place: Place::Nowhere,
        change,
        diff: Vec::new(),
        probe: None,
        action: "true".to_owned(),
        bodies: Vec::new(),
        condition: Condition::Always,
        is_handler: false,
        risks,
        time_limit: Duration::from_secs(1),
    };
    let host = HostName::new("web-1").expect("a name");
    let steps = HostPlan {
        client: ClientName::new("acme").expect("a name"),
        host: host.clone(),
        facts_at: at(0),
        fact_passes: 1,
        steps: vec![step],
    };
    Plan { deploy: "web".to_owned(), hosts: vec![steps], waves: vec![vec![host]] }
}

/// A key made by `ssh-keygen`.
struct Key {
    folder: tempfile::TempDir,
}

impl Key {
    /// `None`, said loudly, where this machine has no ssh-keygen.
    #[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
    fn new(kind: &[&str]) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let made = Command::new("ssh-keygen")
            .args(["-q", "-N", "", "-C", "ann@example.org", "-f"])
            .arg(folder.path().join("key"))
            .args(kind)
            .output();
        let Ok(made) = made else {
            eprintln!("SKIPPED: this machine has no ssh-keygen");
            return None;
        };
        assert!(made.status.success(), "{made:?}");
        Some(Self { folder })
    }

    fn public(&self) -> PublicKey {
        PublicKey::new(fs::read_to_string(self.folder.path().join("key.pub")).expect("a key").trim())
    }

    fn sign(&self, message: &[u8], more: &[&str]) -> String {
        let path = self.folder.path().join("message");
        fs::write(&path, message).expect("a file");
        let signature = Path::new(&path).with_extension("sig");
        fs::remove_file(&signature).ok();
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-Y", "sign", "-f"]).arg(self.folder.path().join("key")).args(more).arg(&path);
        let signed = command.output().expect("it was there");
        assert!(signed.status.success(), "{signed:?}");
        fs::read_to_string(signature).expect("a signature")
    }
}

const OURS: &[&str] = &["-n", "ifrit-plan"];

#[test]
fn signatures_of_every_kind_of_key_count() {
    for kind in [
        &["-t", "ed25519"][..],
        &["-t", "ecdsa", "-b", "256"],
        &["-t", "ecdsa", "-b", "384"],
        &["-t", "rsa", "-b", "2048"],
    ] {
        let Some(key) = Key::new(kind) else { return };
        for hash in [&[][..], &["-O", "hashalg=sha256"]] {
            let signature = key.sign(b"message", &[OURS, hash].concat());
            assert_eq!(
                verify_signature(b"message", &signature, &[key.public()]),
                Ok(()),
                "{kind:?} {hash:?}"
            );
            let other = verify_signature(b"massage", &signature, &[key.public()]);
            assert_eq!(other, Err(SignatureRefused::OtherMessage), "{kind:?}");
        }
    }
}

#[test]
fn signatures_for_something_else_do_not_count() {
    let Some(key) = Key::new(&["-t", "ed25519"]) else { return };
    let Some(stranger) = Key::new(&["-t", "ed25519"]) else { return };
    let keys = [PublicKey::new("no key at all"), key.public()];
    let foreign = key.sign(b"message", &["-n", "git"]);
    let refused = verify_signature(b"message", &foreign, &keys);
    assert_eq!(refused, Err(SignatureRefused::OtherNamespace { found: "git".into() }));
    let strange = stranger.sign(b"message", OURS);
    let refused = verify_signature(b"message", &strange, &keys);
    assert!(matches!(refused, Err(SignatureRefused::OtherKey { .. })), "{refused:?}");
    let good = key.sign(b"message", OURS);
    assert_eq!(verify_signature(b"message", &good, &keys), Ok(()));
    // A letter of the signature itself, in the middle of its last full line.
    let lines: Vec<&str> = good.lines().collect();
    let (line, rest) = (lines[lines.len() - 3], good.clone());
    let flipped: String = line
        .chars()
        .enumerate()
        .map(|(at, c)| if at == 20 { if c == 'A' { 'B' } else { 'A' } } else { c })
        .collect();
    let refused = verify_signature(b"message", &rest.replace(line, &flipped), &keys);
    assert!(refused.is_err(), "{refused:?}");
    for broken in ["", "-----BEGIN SSH SIGNATURE-----", &"x".repeat(1 << 20), &good[..good.len() / 2]] {
        let refused = verify_signature(b"message", broken, &keys);
        assert!(matches!(refused, Err(SignatureRefused::Unreadable { .. })), "{refused:?}");
    }
}

proptest! {
    #[test]
    fn no_armour_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode([b"SSHSIG".as_slice(), &bytes].concat());
        let lines: Vec<String> = text.as_bytes().chunks(70).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
        let armour = format!("-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n", lines.join("\n"));
        prop_assert!(verify_signature(b"message", &armour, &[PublicKey::new("x")]).is_err());
        prop_assert!(verify_signature(b"message", &String::from_utf8_lossy(&bytes), &[]).is_err());
    }
}

/// Who approves, until when and why, and what it must come to.
#[test]
fn a_plan_goes_through_with_a_second_person_only() {
    let (Some(bob_key), Some(ann_key)) = (Key::new(&["-t", "ed25519"]), Key::new(&["-t", "ed25519"])) else {
        return;
    };
    let plan = plan(vec![Risk::Access, Risk::Restart], Change::Certain);
    let hash = content_hash(&plan);
    let policy = ApprovalPolicy { four_eyes: BTreeSet::from([Risk::Access, Risk::Data]) };
    let keys = BTreeMap::from([
        (person("ann"), vec![ann_key.public()]),
        (person("bob"), vec![bob_key.public()]),
        (person("eve"), Vec::new()),
    ]);
    let approval = |key: &Key, name: &str, expires: i64, reason: Option<&str>| {
        let message = approval_message(&hash, &person(name), at(expires), reason);
        Approval {
            person: person(name),
            expires_at: at(expires),
            reason: reason.map(str::to_owned),
            signature: key.sign(&message, OURS),
        }
    };
    let check = |approvals: &[Approval], plan: &Plan| {
        let check =
            ApprovalCheck { author: &person("ann"), policy: &policy, approvals, keys: &keys, now: at(100) };
        ApprovedPlan::check(plan.clone(), &check)
    };
    let good = approval(&bob_key, "bob", 200, None);
    let approved = check(std::slice::from_ref(&good), &plan).expect("bob is somebody else");
    assert_eq!((approved.approved_by(), approved.hash()), (Some(&person("bob")), &hash));
    let broken_glass = approval(&ann_key, "ann", 200, Some("all is on fire, bob sleeps"));
    assert!(check(std::slice::from_ref(&broken_glass), &plan).is_ok());

    let refused =
        |approval: Approval| check(&[approval], &plan).expect_err("it must not count").refused.remove(0).1;
    assert_eq!(refused(approval(&bob_key, "bob", 100, None)), ApprovalRefused::Expired { at: at(100) });
    assert_eq!(refused(approval(&ann_key, "ann", 200, None)), ApprovalRefused::Own);
    assert_eq!(refused(approval(&ann_key, "ann", 200, Some(" "))), ApprovalRefused::Own);
    assert_eq!(refused(approval(&bob_key, "eve", 200, None)), ApprovalRefused::NoKey);
    let other_message = ApprovalRefused::Signature(SignatureRefused::OtherMessage);
    assert_eq!(refused(Approval { expires_at: at(900), ..good.clone() }), other_message);
    assert_eq!(refused(Approval { reason: Some("x".into()), ..good.clone() }), other_message);
    let forged = Approval { person: person("bob"), ..approval(&ann_key, "ann", 200, None) };
    assert!(matches!(refused(forged), ApprovalRefused::Signature(SignatureRefused::OtherKey { .. })));

    let mut other_plan = plan.clone();
    other_plan.hosts[0].steps[0].action = "rm -rf /".to_owned();
    let error = check(&[good], &other_plan).expect_err("another plan");
    assert_eq!(error.refused[0].1, other_message);
    assert!(error.to_string().contains("somebody other than ann for access"), "{error}");
}

#[test]
fn only_what_the_policy_names_needs_approval() {
    let policy = ApprovalPolicy { four_eyes: BTreeSet::from([Risk::Data]) };
    for (risks, change, expected) in [
        (vec![Risk::Data], Change::Certain, false),
        (vec![Risk::Data], Change::Undecided, false),
        (vec![Risk::Data], Change::None, true),
        (vec![Risk::Access, Risk::Unknown], Change::Certain, true),
        (vec![], Change::Certain, true),
    ] {
        let check = ApprovalCheck {
            author: &person("ann"),
            policy: &policy,
            approvals: &[],
            keys: &BTreeMap::new(),
            now: at(0),
        };
        let approved = ApprovedPlan::check(plan(risks.clone(), change), &check);
        assert_eq!(approved.is_ok(), expected, "{risks:?} {change:?}");
    }
}
