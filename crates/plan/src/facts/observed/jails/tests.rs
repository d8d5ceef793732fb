use proptest::prelude::*;

use super::*;

fn check(output: &str, expected: &[&str], faults_expected: usize) {
    let mut faults = Faults::default();
    let show = |jail: &ObservedJail| {
        let os = jail.os.as_ref().map_or("?", |os| os.version.as_str());
        let packages = jail.packages.as_ref().map_or_else(
            || "?".to_owned(),
            |packages| {
                let names: Vec<_> = packages.iter().map(|it| format!("{} {}", it.name, it.version)).collect();
                names.join(", ")
            },
        );
        format!("{} {} {os}: {packages}", jail.name, jail.path)
    };
    let shown: Vec<_> =
        parse(output.as_bytes(), &mut faults).into_iter().flatten().map(|jail| show(&jail)).collect();
    assert_eq!(shown, expected, "{output:?}");
    assert_eq!(faults.messages().len(), faults_expected, "{output:?}: {:?}", faults.messages());
}

const NGINX: &str = "Pnginx\t1.26.2_1,3\twww/nginx\tFreeBSD:14:amd64\tFreeBSD\n";

#[test]
fn a_jail_has_its_own_userland_and_packages() {
    check(
        &format!(
            "Jname=www path=/jails/www\nVUSERLAND_VERSION=\"14.1-RELEASE-p5\"\n{NGINX}E0\n\
             Jname=db path=\"/jails/my db\"\nVUSERLAND_VERSION=\"13.3-RELEASE\"\n"
        ),
        &[
            "db /jails/my db 13.3-RELEASE: FreeBSD 13.3",
            "www /jails/www 14.1-RELEASE-p5: FreeBSD 14.1_5, nginx 1.26.2_1,3",
        ],
        0,
    );
    check("", &[], 0);
}

#[test]
fn an_ordinary_login_may_not_look_into_jails() {
    let mut faults = Faults::default();
    assert_eq!(parse(b"Jname=www path=/w\nU\n", &mut faults), None);
    assert_eq!(faults.messages().len(), 1);
}

#[test]
fn packages_that_are_not_whole_are_unknown() {
    check(&format!("Jname=www path=/w\n{NGINX}E70\n"), &["www /w ?: ?"], 1);
}

#[test]
fn a_jail_cannot_forge_another_one() {
    let forged = "Jname=www path=/w\nPJname=x path=/y\nE0\nVUSERLAND_VERSION=\"$(reboot)\"\n";
    check(forged, &["www /w ?: "], 2);
    check("VUSERLAND_VERSION=1\nPx\nE0\nJ\nJname= path=/x\nJgarbage\n", &[], 6);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        parse(&bytes, &mut Faults::default());
    }

    #[test]
    fn no_lines_panic(text in "([JVPE](name=)?[a-z\" 0-9\t]{0,4}( path=)?[/a\"]{0,4}\n){0,20}") {
        parse(text.as_bytes(), &mut Faults::default());
    }
}
