use super::*;

fn target(ecosystem: Ecosystem, jail: Option<&str>, packages: &[(&str, Fix)]) -> PatchTarget {
    let package = |(name, fix): &(&str, Fix)| PatchPackage {
        name: PackageName::new(*name),
        fixes: vec![(VulnerabilityId::new("CVE-2026-1"), fix.clone())],
        is_comparable: true,
    };
    PatchTarget {
        host: HostName::new("web-1").expect("a name"),
        ecosystem,
        jail: jail.map(str::to_owned),
        packages: packages.iter().map(package).collect(),
    }
}

fn fixed(version: &str) -> Fix {
    Fix::In(model::Version::new(version))
}

/// Answers every question of a patch: candidates, then users, then the base.
fn facts(targets: &[PatchTarget], candidates: &str, services: &str) -> Facts {
    let mut facts = Facts::default();
    for target in targets {
        let said = |text: &str| FactAnswer::Said(text.as_bytes().to_vec());
        facts.insert(super::candidates(target, true), said(candidates));
        facts.insert(users(target), said(services));
        facts.insert(
            Question::new(&BASE_STATE, Vec::<String>::new()),
            said("14.1-RELEASE-p4\n14.1-RELEASE-p5"),
        );
    }
    facts
}

#[expect(clippy::needless_pass_by_value, reason = "cases read better")]
fn check(
    targets: Vec<PatchTarget>,
    candidates: &str,
    services: &str,
    remedies: &[(&str, &str)],
    steps: &[&str],
) -> Patch {
    let patch = patch_steps(&targets, &facts(&targets, candidates, services), true, false).expect("answers");
    let word = |remedy: &Remedy| match remedy {
        Remedy::Upgrade { from, to, .. } => format!("{from} -> {to}"),
        Remedy::NoCandidate { newest } => format!("none, newest {}", newest.as_deref().unwrap_or("-")),
        Remedy::NoFix => "no fix".to_owned(),
        Remedy::Gone => "gone".to_owned(),
        Remedy::Base => "base".to_owned(),
    };
    let told: Vec<_> = patch.remedies.iter().map(|(name, remedy)| (name.as_str(), word(remedy))).collect();
    let told: Vec<_> = told.iter().map(|(name, remedy)| (*name, remedy.as_str())).collect();
    assert_eq!(told, remedies);
    let told: Vec<_> =
        patch.steps.iter().map(|step| format!("{} {}", step.operation, step.subject)).collect();
    assert_eq!(told, steps);
    patch
}

#[test]
fn just_what_closes_a_finding_is_upgraded() {
    let packages = [
        ("libssl3", fixed("3.0.15-1")),
        ("openssl", fixed("3.0.15-1")),
        ("old", fixed("2.0-1")),
        ("open", Fix::NotYet),
        ("removed", fixed("1")),
    ];
    let candidates =
        "libssl3 3.0.14-1 3.0.15-1\nopenssl 3.0.14-1 3.0.15-1\nold 1.0-1 1.0-2\nopen 1.0-1 1.0-1";
    let patch = check(
        vec![target(Ecosystem::Debian, None, &packages)],
        candidates,
        "nginx\ndbus\nuser@0",
        &[
            ("libssl3", "3.0.14-1 -> 3.0.15-1"),
            ("old", "none, newest 1.0-2"),
            ("open", "no fix"),
            ("openssl", "3.0.14-1 -> 3.0.15-1"),
            ("removed", "gone"),
        ],
        &["patch.packages libssl3, openssl", "patch.restart nginx"],
    );
    assert_eq!(patch.not_restarted, ["dbus", "user@0"]);
    let probe = patch.steps[0].probe.as_ref().expect("a probe");
    assert_eq!(probe.before.as_deref(), Some("libssl3 3.0.14-1\nopenssl 3.0.14-1"));
    assert_eq!(probe.after.as_deref(), Some("libssl3 3.0.15-1\nopenssl 3.0.15-1"));
    assert_eq!(patch.steps[1].condition, Condition::AnyChanged(vec![0]));
}

#[test]
fn nothing_to_get_is_no_step() {
    let targets = vec![target(Ecosystem::Alpine, None, &[("openssl", fixed("3.1.5-r0"))])];
    check(targets.clone(), "openssl 3.1.4-r0 3.1.4-r0", "nginx", &[("openssl", "none, newest -")], &[]);
    check(targets.clone(), "openssl 3.1.4-r0 -", "", &[("openssl", "none, newest -")], &[]);
    check(targets.clone(), "openssl 3.1.4-r0 3.1.4-r1", "", &[("openssl", "none, newest 3.1.4-r1")], &[]);
    check(
        targets,
        "openssl 3.1.4-r0 3.1.5-r0",
        "",
        &[("openssl", "3.1.4-r0 -> 3.1.5-r0")],
        &["patch.packages openssl"],
    );
}

#[test]
fn jails_and_the_base_system_have_steps_of_their_own() {
    let targets = vec![
        target(Ecosystem::FreeBsd, None, &[("FreeBSD", fixed("14.1_6")), ("curl", fixed("8.9.1"))]),
        target(Ecosystem::FreeBsd, Some("www"), &[("curl", fixed("8.9.1"))]),
    ];
    let patch = check(
        targets,
        "curl 8.9.0 8.9.1",
        "",
        &[("FreeBSD", "base"), ("curl", "8.9.0 -> 8.9.1"), ("www: curl", "8.9.0 -> 8.9.1")],
        &["patch.packages curl", "patch.base FreeBSD", "patch.packages curl in jail www"],
    );
    assert!(patch.steps[2].action.contains("'pkg' 'www' 'curl=8.9.1'"), "{}", patch.steps[2].action);
}

#[test]
fn a_restart_of_the_host_comes_only_when_asked_for_and_last() {
    let targets = [target(Ecosystem::Debian, None, &[("a", fixed("2"))])];
    let facts = facts(&targets, "a 1 2", "nginx");
    let patch = patch_steps(&targets, &facts, true, true).expect("answers");
    let last = patch.steps.last().expect("steps");
    assert_eq!((last.operation.as_str(), last.is_handler), ("patch.reboot", true));
    assert_eq!(last.condition, Condition::AnyChanged(vec![0]));
}

#[test]
fn a_host_that_cannot_say_is_not_patched() {
    let targets = [target(Ecosystem::Debian, None, &[("a", fixed("2"))])];
    assert!(patch_steps(&targets, &Facts::default(), true, false).is_err());
    let mut facts = Facts::default();
    facts.insert(candidates(&targets[0], true), FactAnswer::Failed(Some(3)));
    assert!(patch_steps(&targets, &facts, true, false).is_err_and(|why| why.contains("up to date")));
}

#[test]
fn names_from_feeds_cannot_leave_their_quotes() {
    let targets = [target(Ecosystem::Debian, None, &[("a'; reboot; '", fixed("2"))])];
    let facts = facts(&targets, "a'; reboot; ' 1 2", "x'; reboot; '");
    // A name with blanks is no name that a host could answer for.
    assert!(patch_steps(&targets, &facts, true, false).expect("answers").steps.is_empty());
}
