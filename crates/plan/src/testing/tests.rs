use std::fs;
use std::path::Path;

use lang::LoadOptions;
use model::{Code, Place};

use super::*;

const DEPLOY: &str = r##"
def deploy(host):
    if not host.data.get("motd"):
        fail("the host has no motd")
    motd = files.put(dest = "/etc/motd", content = host.data["motd"] + "\n", mode = 644)
    server.packages(["nginx", "git"])
    files.line("/srv/app.conf", "^port =", replace = "port = %d" % inventory.service("shop").port)
    files.put(dest = "/srv/key", content = secret("app/key"), mode = 600)
    service.reload("nginx", when = motd.changed, handler = True)
    if facts.command("test -e /srv/old").status == 0:
        files.absent("/srv/old/x")
"##;

const HEAD: &str = r##"
WEB = testing.host("web-1", client = "acme", os = "alpine:3.20", data = {"motd": "hi"}, services = {"shop": 443})
FACTS = [
    testing.absent("/etc/motd"),
    testing.package("nginx", "1.26.2-r4"),
    testing.package("git"),
    testing.file("/srv/app.conf", content = "port = 80\n"),
    testing.file("/srv/key", content = "<secret app/key>", mode = "600"),
    testing.command("test -e /srv/old", status = 1),
]
"##;

fn workspace(test: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a temporary directory");
    let write = |path: &str, text: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, text).expect("a file");
    };
    write(lang::WORKSPACE_FILE, "");
    write("deploys/web.star", DEPLOY);
    write("deploys/web_test.star", &format!("{HEAD}\n{test}"));
    root
}

fn run(root: &Path) -> Vec<(String, Result<(), Box<Failure>>)> {
    let (tested, problems) =
        lang::load_tests(root, &[crate::extension(), extension()], &LoadOptions::default());
    assert_eq!(problems, []);
    let assets = |path: &str| lang::read_asset(root, path);
    let folders = |path: &str| lang::list_assets(root, path);
    let files = TestFiles { assets: &assets, folders: &folders };
    tested.tests.iter().map(|test| (test.name.clone(), run_test(test, &tested.deploys, files))).collect()
}

/// One test with this body; what it fails with.
fn check(body: &str, expected: Option<(Code, &str)>) -> Option<Failure> {
    let lines: String = body.lines().map(|line| format!("    {line}\n")).collect();
    let root = workspace(&format!("def test_it():\n{lines}"));
    let mut results = run(root.path());
    assert_eq!(results.len(), 1);
    let failure = results.remove(0).1.err().map(|failure| *failure);
    let got = failure.as_ref().map(|it| {
        let hint = it.problem.hint.clone().unwrap_or_default();
        (it.problem.code, format!("{} {hint}", it.problem.message))
    });
    match (expected, &got) {
        (None, None) => {}
        (Some((code, text)), Some((its, said))) if *its == code && said.contains(text) => {}
        _ => panic!("{body}\nexpected {expected:?}\ngot {got:?}"),
    }
    failure
}

#[test]
fn a_plan_is_what_the_facts_make_of_it() {
    let plan = "plan = testing.plan(\"web\", host = WEB, facts = FACTS)\n";
    let pass = |body: &str| check(&format!("{plan}{body}"), None);
    pass("expect.eq(plan.changes[0], \"files.put /etc/motd\")");
    pass("expect.eq(len(plan.steps), 5)");
    pass("expect.eq(plan.passes, 1)");
    pass("expect.eq(plan.steps[0].change, \"certain\")\nexpect.eq(plan.steps[0].content, \"hi\\n\")");
    pass("expect.contains(testing.step(plan, \"server.packages nginx, git\").diff, \"+git present\")");
    pass(
        "reload = plan.steps[-1]\nexpect.that(reload.handler)\nexpect.eq(reload.when, [\"files.put /etc/motd\"])",
    );
    pass(
        "expect.eq(reload_content(plan), \"<secret app/key>\")\n"
            .replace("reload_content(plan)", "testing.step(plan, \"files.put /srv/key\").content")
            .as_str(),
    );
}

#[test]
fn the_state_that_should_be_is_no_change() {
    let body = r##"
plan = testing.plan("web", host = WEB, facts = [
    testing.file("/etc/motd", content = "hi\n"),
    testing.package("nginx", "1.26.2-r4"),
    testing.package("git", "2.45.2-r0"),
    testing.file("/srv/app.conf", content = "port = 443\n"),
    testing.file("/srv/key", content = "<secret app/key>", mode = 600),
    testing.command("test -e /srv/old", status = 1),
])
expect.eq(plan.changes, [])
"##;
    check(body.trim(), None);
}

#[test]
fn a_missing_fact_is_named_with_the_line_to_add() {
    let body = "testing.plan(\"web\", host = WEB, facts = FACTS[1:2])";
    for line in [
        "testing.file(\"/srv/app.conf\", content = \"...\"),",
        "testing.package(\"git\", version = None),",
        "testing.absent(\"/etc/motd\"),",
        "testing.command(\"test -e /srv/old\", status = 0, stdout = \"\"),",
    ] {
        let failure = check(body, Some((Code::TestFactMissing, line))).expect("it fails");
        assert!(matches!(failure.problem.place, Place::Spot { .. }), "{failure:?}");
    }
    // The lines are ones that can be added.
    check("testing.plan(\"web\", host = WEB, facts = FACTS + [testing.absent(\"/x\")])", None);
}

/// Adds the lines that a failure prints until there is none: each of them must answer what was asked.
#[test]
fn the_lines_to_add_are_enough_for_every_operation() {
    const MANY: &str = r##"
def deploy(host):
    files.put(dest = "/a/put", content = "x")
    files.line("/a/line", "^x", replace = "x = \"1\"")
    files.block("/a/block", content = "x")
    files.replace("/a/replace", "x", "y")
    files.directory("/a/directory", recursive = True, user = "bob")
    files.link("/a/link", target = "/b")
    files.file("/a/file")
    files.absent("/a/absent")
    server.user("bob", groups = ["wheel"], append = True)
    server.group("wheel", gid = 5)
    server.user_authorized_keys("bob", "ssh-ed25519 AAAA")
    server.sysctl("net.ipv4.ip_forward", "1", persist = True)
    server.hostname("web-1")
    server.crontab("/bin/true", user = "bob")
    server.modprobe("pf")
    server.mount("/mnt/x", device = "/dev/x")
    server.timezone("UTC")
    server.shell("x", unless = "test -e '/x'")
    server.shell("y", creates = "/y")
    apk.packages(["git", "vim"])
    server.packages("git", latest = True)
    openrc.service("sshd")
    freebsd.sysrc("sshd_enable", "YES")
    if facts.kernel().text and facts.content("/c").text == "" and facts.os().id == "x":
        files.file("/never")
"##;
    let head = "def test_it():\n    testing.plan(\"web\", host = testing.host(\"web-1\"), facts = [\n";
    let mut lines: std::collections::BTreeSet<String> = std::collections::BTreeSet::new();
    for _ in 0..crate::FACT_PASSES_MAX {
        let root = workspace("");
        fs::write(root.path().join("deploys/web.star"), MANY).expect("a file");
        let given: String = lines.iter().map(|line| format!("        {line}\n")).collect();
        fs::write(root.path().join("deploys/web_test.star"), format!("{head}{given}    ])\n"))
            .expect("a file");
        let failure = match run(root.path()).remove(0).1 {
            Ok(()) => return assert!(lines.len() > 20, "{lines:#?}"),
            Err(failure) => failure.problem,
        };
        assert_eq!(failure.code, Code::TestFactMissing, "{failure:?}\n{given}");
        let hint = failure.hint.expect("the lines to add");
        let new: Vec<&str> = hint.lines().skip(1).map(str::trim).collect();
        assert!(new.iter().any(|line| !lines.contains(*line)), "{new:#?}");
        // Where two lines are offered for a path, the first is that there is nothing.
        let is_other = |line: &str| {
            let path = line.strip_prefix("testing.file(").and_then(|rest| rest.split(',').next());
            path.is_some_and(|path| new.contains(&format!("testing.absent({path}),").as_str()))
        };
        lines.extend(new.iter().filter(|line| !is_other(line)).map(|line| (*line).to_owned()));
    }
    panic!("it asks for ever: {lines:#?}");
}

#[test]
fn failures_say_what_came() {
    let failure = check("expect.eq([1, 2], [1, 3])", Some((Code::TestFailed, "expected [1, 3], got [1, 2]")));
    let mismatch = failure.expect("it fails").mismatch.expect("it compares");
    assert_eq!((mismatch.expected.as_str(), mismatch.got.as_str()), ("[1, 3]", "[1, 2]"));
    check("expect.contains(\"abc\", \"d\")", Some((Code::TestFailed, "something with \"d\"")));
    check("expect.contains({\"a\": 1}, \"a\")", None);
    check("expect.that(1 == 2, \"no\")", Some((Code::TestFailed, "no")));
    check("expect.that([])", Some((Code::TestFailed, "a true value, got []")));
    check("fail(\"oh\")", Some((Code::StarlarkError, "oh")));
    check("expect.fails(lambda: fail(\"oh\"), \"oh\")", None);
    check(
        "expect.fails(lambda: fail(\"oh\"), \"ah\")",
        Some((Code::TestFailed, "a failure that says \"ah\"")),
    );
    check("expect.fails(lambda: 1)", Some((Code::TestFailed, "a failure, got 1")));
    check("expect.fails(lambda: expect.eq(1, 2), \"expected 2\")", None);
    let bad =
        "expect.fails(lambda: testing.plan(\"web\", host = testing.host(\"a\")), \"the host has no motd\")";
    check(bad, None);
    let bad = "testing.plan(\"web\", host = testing.host(\"a\"))";
    check(bad, Some((Code::TestFailed, "deploys/web.star:4:9: the code says: the host has no motd")));
    check("testing.plan(\"wep\", host = WEB)", Some((Code::PlanBadArgument, "deploys: web")));
    check("testing.host(\"a b\")", Some((Code::PlanBadArgument, "testing.host: name")));
    check("testing.file(\"/a\", mode = \"rw\")", Some((Code::PlanBadArgument, "octal")));
    check("testing.plan(\"web\", host = WEB, others = [WEB])", Some((Code::PlanBadArgument, "two hosts")));
    check(
        "testing.step(testing.plan(\"web\", host = WEB, facts = FACTS), \"x\")",
        Some((Code::TestFailed, "files.put /etc/motd")),
    );
}

#[test]
fn tests_are_apart_from_each_other_and_in_their_order() {
    let root = workspace(
        "def test_b():\n    expect.eq(1, 2)\n\ndef test_a():\n    pass\n\ndef helper():\n    fail(\"never\")\n",
    );
    let names: Vec<(String, bool)> =
        run(root.path()).into_iter().map(|(name, it)| (name, it.is_ok())).collect();
    assert_eq!(names, [("test_b".to_owned(), false), ("test_a".to_owned(), true)]);
}

#[test]
fn files_of_tests_are_checked_before_they_run() {
    let problems = |text: &str| {
        let root = workspace(text);
        let options = LoadOptions::default();
        lang::load_tests(root.path(), &[crate::extension(), extension()], &options).1
    };
    let code = |text: &str| problems(text).first().map(|problem| problem.code);
    assert_eq!(code("def test_a():\n    testing.fil(\"/a\")\n"), Some(Code::StarlarkType));
    assert_eq!(code("def test_a():\n    testing.file(\"/a\", contents = \"\")\n"), Some(Code::StarlarkType));
    assert_eq!(code("def test_a():\n    files.put(\"/a\")\n"), Some(Code::StarlarkUnknownName));
    assert_eq!(code("def test_a(x):\n    pass\n"), Some(Code::StarlarkError));
    assert_eq!(code("expect.eq(1, 2)\n"), Some(Code::StarlarkSyntax));
    assert_eq!(code("def test_a():\n    pass\n"), None);
    // What a workspace loads for other verbs knows nothing of tests, and no test can spoil it.
    let root = workspace("def test_a(:\n");
    let (workspace, problems) = lang::load(root.path(), &[crate::extension(), extension()]);
    assert_eq!((problems, workspace.deploys.len()), (Vec::new(), 1));
}

#[test]
fn every_function_and_parameter_is_documented() {
    let functions = lang::functions(&[extension()]);
    let ours: Vec<_> = functions.iter().filter(|it| it.scope == Scope::Tests).collect();
    assert!(ours.len() > 20, "{}", ours.len());
    for function in ours {
        assert!(!function.summary.is_empty(), "{}", function.name);
        for (parameter, text) in &function.parameters {
            assert!(!text.is_empty(), "{} {parameter}", function.name);
        }
    }
}
