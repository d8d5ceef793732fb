//! Steps in a row that only write files: taken together, and still each for itself.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use model::{HostPlan, StepOutcome};

use super::costs::{apply_text, contact, plan_of, settle_text};
use super::team::shells;

const THREE: &str = r#"files.put(dest = "ROOT/a", content = "a\n", mode = 644)
files.put(dest = "ROOT/b", content = "b\n", mode = 640)
files.line("ROOT/c", "c")"#;
/// The end state of [`THREE`].
const DONE: [&str; 3] = ["a\n", "b\n", "c\n"];
const PLACE: &str = "mv -f \"$new\" \"$to\"";

/// One contact with a host that is a directory.
struct Case {
    root: tempfile::TempDir,
    shell: Vec<&'static str>,
    plan: HostPlan,
}

impl Case {
    fn new(shell: &[&'static str], code: &str, prepare: impl Fn(&Path)) -> Self {
        let root = tempfile::tempdir().expect("a temporary directory");
        prepare(root.path());
        let plan = plan_of(root.path(), code, shell);
        Self { root, shell: shell.to_vec(), plan }
    }

    /// Takes the steps with a changed script; returns the outcomes in the steps' order.
    fn apply(&self, edit: impl Fn(String) -> String) -> Vec<StepOutcome> {
        let text = apply_text(self.root.path(), &self.plan, &BTreeMap::new());
        contact(&self.shell, &edit(text), &self.plan).into_values().collect()
    }

    fn settle(&self) -> BTreeMap<usize, StepOutcome> {
        contact(&self.shell, &settle_text(self.root.path(), &self.plan), &self.plan)
    }

    fn resume(&self, earlier: &BTreeMap<usize, StepOutcome>) -> Vec<StepOutcome> {
        let text = apply_text(self.root.path(), &self.plan, earlier);
        contact(&self.shell, &text, &self.plan).into_values().collect()
    }

    fn text(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.root.path().join(name)).ok()
    }

    fn texts(&self) -> [Option<String>; 3] {
        ["a", "b", "c"].map(|name| self.text(name))
    }

    /// Nothing of ours lies beside the files.
    fn check_tidy(&self) {
        let names = fs::read_dir(self.root.path()).expect("a folder");
        let names: Vec<_> = names.map(|entry| entry.expect("an entry").file_name()).collect();
        assert!(names.iter().all(|name| !name.to_string_lossy().starts_with(".ifrit")), "{names:?}");
    }
}

fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "the script has no `{from}`");
    text.replacen(from, to, 1)
}

fn words(outcomes: &[StepOutcome]) -> Vec<&'static str> {
    outcomes.iter().map(StepOutcome::as_str).collect()
}

fn done() -> [Option<String>; 3] {
    DONE.map(|text| Some(text.to_owned()))
}

#[test]
fn all_are_written_and_a_second_time_nothing_is() {
    for shell in shells() {
        let case = Case::new(&shell, THREE, |_| ());
        assert_eq!(words(&case.apply(|text| text)), ["changed"; 3], "{shell:?}");
        assert_eq!(case.texts(), done());
        case.check_tidy();
        let again = plan_of(case.root.path(), THREE, &shell).steps;
        assert!(again.iter().all(|step| !step.is_sent()), "{shell:?}: {again:?}");
        // The first plan once more: every step finds what it wants.
        assert_eq!(words(&case.apply(|text| text)), ["unchanged"; 3], "{shell:?}");
    }
}

#[test]
fn one_that_is_there_already_holds_nobody_up() {
    for shell in shells() {
        let case = Case::new(&shell, THREE, |_| ());
        fs::write(case.root.path().join("b"), DONE[1]).expect("a file");
        fs::set_permissions(case.root.path().join("b"), std::os::unix::fs::PermissionsExt::from_mode(0o640))
            .expect("a mode");
        assert_eq!(words(&case.apply(|text| text)), ["changed", "unchanged", "changed"], "{shell:?}");
        assert_eq!(case.texts(), done());
    }
}

#[test]
fn a_stale_one_ends_it() {
    for shell in shells() {
        let case = Case::new(&shell, THREE, |_| ());
        fs::write(case.root.path().join("b"), "somebody else's\n").expect("a file");
        assert_eq!(words(&case.apply(|text| text)), ["changed", "stale"], "{shell:?}");
        assert_eq!(case.texts(), [Some("a\n".to_owned()), Some("somebody else's\n".to_owned()), None]);
        case.check_tidy();
    }
}

#[test]
fn after_one_that_fails_nothing_is_done() {
    for shell in shells() {
        let late = format!("[ \"$number\" != 1 ] || to=$to/no/where\n{PLACE}");
        let early = "[ \"$number\" != 1 ] || { echo no room >&2; return 28; }\nnew=${1%/*}";
        for (from, to) in [(PLACE, late.as_str()), ("new=${1%/*}", early)] {
            let case = Case::new(&shell, THREE, |_| ());
            let outcomes = case.apply(|text| replaced(&text, from, to));
            assert_eq!(words(&outcomes), ["changed", "failed"], "{shell:?} {from}");
            assert_eq!(case.texts(), [Some("a\n".to_owned()), None, None], "{shell:?} {from}");
            case.check_tidy();
        }
    }
}

#[test]
fn what_cannot_be_made_durable_takes_no_place() {
    for shell in shells() {
        let case = Case::new(&shell, THREE, |_| ());
        // A disk that fails: neither a file nor everything can be flushed.
        let broken = "*.ifrit.*) return 5 ;; esac\nif [ -n \"$has_fsync\" ]; then fsync";
        let broken = format!("case $* in\n{broken}");
        let outcomes = case.apply(|text| replaced(&text, "if [ -n \"$has_fsync\" ]; then fsync", &broken));
        let [StepOutcome::Failed { status, .. }] = outcomes.as_slice() else {
            panic!("{shell:?}: {outcomes:?}")
        };
        assert_eq!(*status, Some(5), "{shell:?}");
        assert_eq!(case.texts(), [None, None, None], "{shell:?}");
        case.check_tidy();
    }
}

#[test]
fn what_needs_more_is_taken_by_itself() {
    // A directory to be made, a validation that looks at the one before, a backup, another way to the same file.
    let code = r#"files.put(dest = "ROOT/a", content = "a\n", mode = 644)
files.put(dest = "ROOT/new/b", content = "b\n", mode = 644)
files.put(dest = "ROOT/c", content = "c\n", mode = 644, validate = "test -e ROOT/new/b -a -e %s")
files.line("ROOT/d", "new", backup = True)
files.put(dest = "ROOT/e", content = "e\n", mode = 644)
files.line("ROOT/one/f", "first")
files.line("ROOT/two/f", "second")
files.put(dest = "ROOT/g", content = "g\n", mode = 644)"#;
    for shell in shells() {
        let case = Case::new(&shell, code, |root| {
            fs::write(root.join("d"), "old\n").expect("a file");
            fs::create_dir(root.join("one")).expect("a folder");
            fs::write(root.join("one/f"), "zero\n").expect("a file");
            symlink(root.join("one"), root.join("two")).expect("a link");
        });
        // The last but one finds another state than was planned: nobody could know that it is the same file.
        let expected =
            ["changed", "changed", "changed", "changed", "changed", "changed", "changed", "changed"];
        assert_eq!(words(&case.apply(|text| text)), expected, "{shell:?}");
        assert_eq!(case.text("new/b").as_deref(), Some("b\n"));
        assert_eq!(case.text("d").as_deref(), Some("old\nnew\n"));
        assert_eq!(case.text("d.ifrit-backup").as_deref(), Some("old\n"));
        assert_eq!(case.text("one/f").as_deref(), Some("zero\nfirst\nsecond\n"), "no line is lost");
        case.check_tidy();
    }
}

/// Killed at any point between the first look and the last, the next contact finds what was done and does the rest.
#[test]
fn killed_anywhere_each_effect_is_there_once() {
    let points = [
        ("ifrit_action >>\"$run/out.$number\" 2>>\"$run/err.$number\"\nstatus=$?\n[ -z \"$alone\" ]", 1),
        ("persist \"$@\" 2>>", 0),
        ("printf ' flushed '", 0),
        (PLACE, 0),
        (PLACE, 1),
        (PLACE, 2),
        ("know_access \"$@\"\nfor each in $moved", 2),
        ("if says \"$run/state\" \"$after\"; then printf ' %s=met '", 1),
    ];
    // The watcher of a killed script looks once a second: all cases at the same time.
    std::thread::scope(|scope| {
        for shell in shells() {
            for (point, number) in points {
                let shell = shell.clone();
                scope.spawn(move || killed_at(&shell, point, number));
            }
        }
    });
}

fn killed_at(shell: &[&'static str], point: &str, number: usize) {
    let case = Case::new(shell, THREE, |_| ());
    let killing = format!("[ \"$number\" != {number} ] || kill -9 $$ $self_pid\n{point}");
    let told = case.apply(|text| replaced(&text, point, &killing));
    assert!(told.is_empty(), "{shell:?} {point} {number}: {told:?}");
    let settled = case.settle();
    assert!(!settled.is_empty(), "{shell:?} {point} {number}");
    let rest = case.resume(&settled);
    let changed = settled.values().filter(|it| **it == StepOutcome::Changed).count();
    assert_eq!(words(&rest), vec!["changed"; 3 - changed], "{shell:?} {point} {number}: {settled:?}");
    assert_eq!(case.texts(), done(), "{shell:?} {point} {number}: {settled:?}");
    case.check_tidy();
}

#[test]
fn what_takes_too_long_is_named_and_the_others_before_it_are_done() {
    for shell in shells() {
        let mut case = Case::new(&shell, THREE, |_| ());
        case.plan.steps[1].time_limit = std::time::Duration::from_secs(1);
        let slow =
            |text: String| replaced(&text, "new=${1%/*}", "[ \"$number\" != 1 ] || sleep 30\nnew=${1%/*}");
        let outcomes = case.apply(slow);
        assert_eq!(words(&outcomes), ["changed", "failed"], "{shell:?}: {outcomes:?}");
        assert_eq!(case.texts(), [Some("a\n".to_owned()), None, None], "{shell:?}");
    }
}
