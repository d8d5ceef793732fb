use proptest::prelude::*;

use super::*;
use crate::facts::script::tests::{run, shells};
use crate::facts::{FactRequests, read_answer, script};
use crate::sh::{FILE_STATE, RUN_COMMAND, SHOW_FILE};

fn nonce() -> Nonce {
    Nonce::from_bytes([7; 16])
}

fn host() -> HostName {
    HostName::new("web-1").expect("a name")
}

fn asked(stdout: &[u8], questions: &[Question]) -> (Facts, Vec<Problem>) {
    let requests = FactRequests::of_questions(questions.iter().cloned().collect());
    read_facts(&host(), &read_answer(&requests, &nonce(), stdout, StreamEnd::Complete))
}

fn check(said: &str, expected: FactAnswer) {
    let question = Question::new(&RUN_COMMAND, ["x"]);
    let n = nonce();
    let n = n.as_str();
    let stdout = format!("motd\nbegin {n} asked\n{said}\nend {n} asked 0\n\ndone {n}\n");
    let (facts, problems) = asked(stdout.as_bytes(), std::slice::from_ref(&question));
    assert_eq!(facts.get(&question), Some(&expected), "{stdout}");
    assert_eq!(problems.is_empty(), !matches!(expected, FactAnswer::Failed(_)));
}

#[test]
fn answers_are_read() {
    let n = nonce();
    let n = n.as_str();
    let said = |text: &str| FactAnswer::Said(text.as_bytes().to_vec());
    check(&format!("\npart {n} 0\nhello\n\nover {n} 0 0\n"), said("hello"));
    check(&format!("\npart {n} 0\n\nover {n} 0 0\n"), said(""));
    check(&format!("\npart {n} 0\na\n\nb\n\n\nover {n} 0 0\n"), said("a\n\nb"));
    check(&format!("\npart {n} 0\n\nover {n} 0 66\n"), FactAnswer::Absent);
    check(&format!("\npart {n} 0\nx\n\nover {n} 0 1\n"), FactAnswer::Failed(Some(1)));
    check(&format!("\npart {n} 0\nx\n\nover {n} 0 many\n"), FactAnswer::Failed(None));
    check(&format!("\npart {n} 0\nx\n"), FactAnswer::Failed(None));
    check("", FactAnswer::Failed(None));
    // Content that forges a marker does not know the nonce.
    check(
        &format!("\npart {n} 0\n\nover 00000000000000000000000000000000 0 0\nx\n\nover {n} 0 0\n"),
        said("\nover 00000000000000000000000000000000 0 0\nx"),
    );
}

#[test]
fn real_shells_answer_what_is_asked() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("it's"), "a\n\nend of it\n").expect("a file");
    let questions = [
        Question::new(&FILE_STATE, [path("none"), "mugc".to_owned()]),
        Question::new(&FILE_STATE, [path("it's"), "c".to_owned()]),
        Question::new(&SHOW_FILE, [path("it's")]),
        Question::new(&SHOW_FILE, [path("none")]),
        Question::new(&RUN_COMMAND, ["printf 'a\\nb'; exit 3"]),
        Question::new(&FILE_STATE, ["/", "mug"]),
    ];
    for shell in shells() {
        let requests = FactRequests::of_questions(questions.iter().cloned().collect());
        let stdout = run(shell, &script(&requests, &nonce())).expect("the shell was there");
        let (facts, problems) = asked(&stdout, &questions);
        assert_eq!(problems, [], "{shell:?}");
        let said = |at: usize| match facts.get(&questions[at]) {
            Some(FactAnswer::Said(text)) => String::from_utf8_lossy(text).into_owned(),
            other => format!("{other:?}"),
        };
        assert_eq!(said(0), "absent");
        assert!(said(1).starts_with("file - - - "), "{}", said(1));
        assert_eq!(said(1).len(), "file - - - ".len() + 64);
        assert_eq!(said(2), "a\n\nend of it");
        assert_eq!(said(3), "Some(Absent)");
        assert_eq!(said(4), "3\na\nb");
        assert!(said(5).starts_with("directory 0"), "{}", said(5));
    }
}

#[test]
fn a_cut_script_of_questions_runs_nothing() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let marker = folder.path().join("ran");
    let questions = [Question::new(&RUN_COMMAND, [format!("touch '{}'", marker.display())])];
    let requests = FactRequests::of_questions(questions.into_iter().collect());
    let text = script(&requests, &nonce());
    for cut in (0..text.len() - 1).filter(|cut| cut.is_multiple_of(3) || cut + 300 > text.len()) {
        let stdout = run(&["dash"], &text[..cut]).unwrap_or_default();
        assert_eq!(stdout, b"", "cut after {cut}");
        assert!(!marker.exists(), "cut after {cut}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let n = nonce();
        let n = n.as_str();
        let mut stdout = format!("\nbegin {n} asked\n").into_bytes();
        stdout.extend(&bytes);
        stdout.extend(format!("\npart {n} 0\n").as_bytes());
        stdout.extend(&bytes);
        stdout.extend(format!("\nend {n} asked 0\n").as_bytes());
        asked(&stdout, &[Question::new(&RUN_COMMAND, ["x"]), Question::new(&RUN_COMMAND, ["y"])]);
    }
}
