use model::{Change, Code, Condition, Group, GroupName, Place, Service, ServiceName, Step};

use super::*;
use crate::facts::{FactAnswer, Facts};
use crate::operations::tests::team::{Team, ask, shells};

fn problems(team: &Team, facts: &Facts) -> Vec<(Code, String)> {
    let problems = team.evaluate(facts).expect_err("it has problems");
    problems
        .into_iter()
        .map(|it| (it.code, format!("{}: {} {}", it.place, it.message, it.hint.unwrap_or_default())))
        .collect()
}

/// Answers every question with the same text.
fn answered(team: &Team, said: &str) -> Result<Evaluated, Vec<model::Problem>> {
    let mut facts = Facts::default();
    loop {
        match team.evaluate(&facts) {
            Ok(Evaluated::Needs(requests)) => {
                for question in requests.questions() {
                    facts.insert(question.clone(), FactAnswer::Said(said.as_bytes().to_vec()));
                }
            }
            outcome => return outcome,
        }
    }
}

fn steps(team: &Team, said: &str) -> Vec<Step> {
    match answered(team, said) {
        Ok(Evaluated::Complete(steps)) => steps,
        outcome => panic!("{outcome:#?}"),
    }
}

#[test]
fn all_facts_before_a_look_inside_travel_together() {
    let team = Team::new(
        r#"a = facts.file("/a")
b = facts.command("b")
files.put(dest = "/etc/x", content = "x")
if a.exists:
    files.absent("/c/d")
else:
    files.file("/c/d")"#,
    );
    let Ok(Evaluated::Needs(requests)) = team.evaluate(&Facts::default()) else { panic!("it needs facts") };
    let asked: Vec<String> = requests.questions().map(ToString::to_string).collect();
    let shown = "show_file /etc/x 2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
    assert_eq!(asked, ["file_state /a mugc", "file_state /etc/x c", "run_command b", shown]);
    let operations = |said: &str| steps(&team, said).into_iter().map(|it| it.operation).collect::<Vec<_>>();
    assert_eq!(operations("absent"), ["files.put", "files.file"]);
}

#[test]
fn the_operating_system_is_asked_where_it_is_not_known() {
    let team = Team::new("if host.os.id == \"alpine\":\n    files.file(\"/a/b\")");
    let Ok(Evaluated::Needs(requests)) = team.evaluate(&Facts::default()) else { panic!("it needs facts") };
    assert_eq!(requests.question_count(), 1);
    let mut facts = Facts::default();
    let question = requests.questions().next().expect("one").clone();
    facts.insert(question, FactAnswer::Said(b"NAME=x\nID=alpine\nVERSION_ID=3.20.3".to_vec()));
    assert!(matches!(team.evaluate(&facts), Ok(Evaluated::Needs(_))));
    let shell = &shells()[0];
    facts.merge(ask(shell, &requests));
    assert_eq!(team.evaluate(&facts), Ok(Evaluated::Complete(Vec::new())));
}

#[test]
fn handlers_run_once_at_the_end() {
    let team = Team::new(
        r#"a = files.file("/a/a")
service.reload("haproxy", when = a.changed, handler = True)
b = files.file("/a/b")
service.reload("haproxy", when = [b], handler = True)
service.restart("cron", when = b.changed)
c = files.file("/a/c", when = False)
server.shell("never", when = c.changed)"#,
    );
    let steps = steps(&team, "absent");
    let names: Vec<&str> = steps.iter().map(|step| step.subject.as_str()).collect();
    assert_eq!(names, ["/a/a", "/a/b", "cron (restart)", "never", "haproxy (reload)"]);
    assert_eq!(steps[2].condition, Condition::AnyChanged(vec![1]));
    assert_eq!(steps[4].condition, Condition::AnyChanged(vec![0, 1]));
    assert!(steps[4].is_handler);
    assert_eq!((steps[2].change, steps[3].change), (Change::Certain, Change::None));
}

#[test]
fn a_step_whose_reason_does_not_change_is_not_sent() {
    let team = Team::new("a = files.absent(\"/a/a\")\nservice.reload(\"haproxy\", when = a.changed)");
    assert!(steps(&team, "absent").iter().all(|step| step.change == Change::None));
}

#[test]
fn only_decided_changes_can_be_branched_on() {
    let decided = "a = files.absent(\"/a/a\")\nif a.changed:\n    files.file(\"/b/b\")";
    assert_eq!(steps(&Team::new(decided), "absent").len(), 1);
    let undecided =
        "server.shell(\"x\")\na = files.absent(\"/a/a\")\nif a.changed:\n    files.file(\"/b/b\")\nx = 1";
    let found = answered(&Team::new(undecided), "absent").expect_err("it is undecided");
    assert_eq!(found[0].code, Code::PlanUndecided);
    assert!(matches!(found[0].place, Place::Spot { line: 4, .. }), "{found:?}");
    assert!(found[0].hint.as_deref().is_some_and(|hint| hint.contains("when = cfg.changed")));
}

#[test]
fn what_an_earlier_step_may_change_is_undecided() {
    let check = |code: &str, expected: &[Change]| {
        let changes: Vec<Change> = steps(&Team::new(code), "absent").iter().map(|step| step.change).collect();
        assert_eq!(changes, expected, "{code}");
    };
    let (certain, undecided, none) = (Change::Certain, Change::Undecided, Change::None);
    check("files.directory(\"/a/b\")\nfiles.file(\"/a/b/c\")", &[certain, certain]);
    check(
        "server.packages(\"x\")\nfiles.file(\"/etc/c\")\nfiles.file(\"/root/c\")",
        &[certain, undecided, certain],
    );
    check(
        "server.packages(\"x\")\nserver.user(\"bob\")\nserver.group(\"x\")",
        &[certain, undecided, undecided],
    );
    check(
        "server.user(\"bob\")\nserver.user_authorized_keys(\"bob\", \"ssh-ed25519 k\")",
        &[certain, undecided],
    );
    check("files.link(\"/a/b\", target = \"/c\")\nfiles.file(\"/a/b/c\")", &[certain, undecided]);
    check("server.shell(\"x\")\nfiles.absent(\"/a/b\")", &[certain, undecided]);
    check("files.absent(\"/a/b\")\nfiles.absent(\"/a/b\")", &[none, none]);
    let steps = steps(&Team::new("server.shell(\"x\")\nfiles.file(\"/a/b\")"), "absent");
    let probe = steps[1].probe.as_ref().expect("a probe");
    assert_eq!((probe.before.as_deref(), probe.after.as_deref()), (None, Some("file - - - -")));
}

#[test]
fn secrets_are_never_text() {
    for use_of in ["x = f\"{s}\"", "x = str(s)", "x = \"%s\" % s", "x = \"{}\".format(s)", "x = repr(s)"] {
        let team =
            Team::new(&format!("s = secret(\"db/p\")\n{use_of}\nfiles.put(dest = \"/a/b\", content = x)"));
        let found = problems(&team, &Facts::default());
        assert_eq!(found[0].0, Code::PlanSecretShown, "{use_of}: {found:?}");
    }
    for use_of in ["x = s + \"a\"", "x = \"a\" + s", "x = s[0]", "x = len(s)", "x = \",\".join([s])"] {
        let team = Team::new(&format!("s = secret(\"db/p\")\n{use_of}"));
        // Most of them are refused when the file is loaded.
        let (_, problems) = lang::load(team.root.path(), &[crate::extension()]);
        assert!(!problems.is_empty() || team.evaluate(&Facts::default()).is_err(), "{use_of}");
    }
    for filter in
        ["upper", "length", "reverse", "first", "replace(\"1\", \"2\")", "tojson", "urlencode", "trim"]
    {
        let team = Team::new("files.template(\"t.j2\", \"/a/b\", p = secret(\"db/p\"))")
            .with_file("t.j2", &format!("{{{{ p|{filter} }}}}"));
        match answered(&team, "absent") {
            Err(_) => {}
            Ok(Evaluated::Complete(steps)) => {
                // Its length is that of nothing.
                let is_safe =
                    steps[0].bodies[0].is_secret() || steps[0].bodies[0] == model::Content::plain("0");
                assert!(is_safe, "{filter}: {:?}", steps[0].bodies);
            }
            Ok(other) => panic!("{filter}: {other:?}"),
        }
    }
    let missing = problems(&Team::new("secret(\"none\")"), &Facts::default());
    assert!(missing[0].1.contains("there is no such secret"), "{missing:?}");
}

#[test]
fn every_bad_call_is_named_with_its_place() {
    let team = Team::new("files.put(\"none\", \"/a\")\nfiles.file(\"rel\")\nserver.hostname(\"a b\")");
    let found = problems(&team, &Facts::default());
    let lines: Vec<&str> = found.iter().map(|(_, text)| text.split(": ").next().expect("a place")).collect();
    assert_eq!(lines, ["deploys/d.star:2:5", "deploys/d.star:3:5", "deploys/d.star:4:5"], "{found:?}");
}

#[test]
fn code_without_end_is_stopped() {
    let team = Team::of_file("def f(n):\n    return f(n)\n\ndef deploy(host):\n    f(1)\n");
    assert_eq!(problems(&team, &Facts::default())[0].0, Code::StarlarkLimit);
    let team = Team::new("x = [1]\nfor i in range(1000000):\n    x = x + x");
    assert_eq!(problems(&team, &Facts::default())[0].0, Code::StarlarkLimit);
}

#[test]
fn the_inventory_is_seen() {
    let mut team = Team::new(
        r#"names = [it.name for it in inventory.hosts("client:acme service:shop")]
group = [it.name for it in inventory.group("all")]
shop = inventory.service("shop")
files.put(dest = "/a/b", content = " ".join(names + group + [shop.client, str(shop.port), host.name, host.client]))"#,
    );
    let hosts: Vec<_> = team.inventory.hosts.iter().map(|host| host.name.clone()).collect();
    team.inventory.groups.push(Group {
        name: GroupName::new("all").expect("a name"),
        client: None,
        hosts: hosts.clone(),
        place: Place::Nowhere,
    });
    team.inventory.services.push(Service {
        name: ServiceName::new("shop").expect("a name"),
        client: team.inventory.hosts[0].client.clone(),
        hosts: hosts[..1].to_vec(),
        port: Some(443),
        package: None,
        paths: Vec::new(),
        depends_on: Vec::new(),
        owner: None,
        is_critical: false,
        place: Place::Nowhere,
    });
    let steps = steps(&team, "absent");
    assert_eq!(steps[0].bodies, [model::Content::plain("db-1 db-1 web-1 acme 443 web-1 acme")]);
    for code in [
        "inventory.hosts(\"(\")",
        "inventory.host(\"none\")",
        "inventory.service(\"x\")",
        "inventory.group(\"x\")",
    ] {
        assert_eq!(problems(&Team::new(code), &Facts::default())[0].0, Code::PlanBadArgument, "{code}");
    }
}

#[test]
fn the_order_is_read() {
    let check = |head: &str, expected: Option<Order>| {
        let team = Team::of_file(&format!("{head}\ndef deploy(host):\n    pass\n"));
        assert_eq!(order(&team.load().deploys[0]).ok(), expected, "{head}");
    };
    check("", Some(Order::Together));
    check("ORDER = serial(2)", Some(Order::Serial(2)));
    check("ORDER = waves(canary = 1, size = 10)", Some(Order::Waves { canary: 1, size: 10 }));
    check("ORDER = 3", None);
    check("ORDER = {\"serial\": 0}", None);
}
