//! Bytes of a host are hostile.

use proptest::prelude::*;

use crate::host::{limits, nonce, words};
use plan::apply::{ApplyEvent, OutcomeReader, Refusal};

fn read(text: &str) -> Vec<ApplyEvent> {
    let text = text.replace('@', nonce().as_str());
    OutcomeReader::new(&nonce(), 3, &limits()).push(text.as_bytes())
}

#[test]
fn only_frames_in_their_order_count() {
    let cases: [(&str, &[&str]); 9] = [
        ("\n@ begin\n\n@ start 0\n\n@ end 0 changed - -\n", &["changed"]),
        ("\n@ start 0\n\n@ end 0 changed - -\n", &[]),
        ("\n@ begin\n\n@ end 0 changed - -\n", &[]),
        ("\n@ begin\n\n@ start 0\n\n@ end 1 changed - -\n", &[]),
        ("\n@ begin\n\n@ start 3\n\n@ end 3 changed - -\n", &[]),
        ("\n@ begin\n\n@ start 0\n\n@ end 0 changed - -\n@ start 0\n@ end 0 failed 1 -\n", &["changed"]),
        ("\n@ begin\n\n@ start 0\n\n@ end 0 failed 256 -\n", &[]),
        ("\n@ begin\n\n@ start 0\n\nx@ end 0 changed - -\n @ end 0 changed - -\n", &[]),
        ("\n@ begin\n\n@ done\n\n@ start 0\n\n@ end 0 changed - -\n", &[]),
    ];
    for (text, expected) in cases {
        assert_eq!(words(&read(text)), expected, "{text}");
    }
}

#[test]
fn a_refusal_ends_it() {
    let run = "0123456789abcdef0123456789abcdef";
    let id = model::RunId::parse(run);
    for (text, expected) in [
        (format!("\n@ busy {run}\n\n@ begin\n"), Refusal::Busy(id.clone())),
        ("\n@ busy unknown\n".to_owned(), Refusal::Busy(None)),
        (format!("\n@ unsettled {run}\n"), Refusal::Unsettled(id)),
        (
            "\n@ fault\nno space\n@ refused\n\n@ begin\n".to_owned(),
            Refusal::Fault { said: "no space".into() },
        ),
    ] {
        assert_eq!(read(&text), [ApplyEvent::Refused(expected)], "{text}");
    }
}

/// Frames, noise and beginnings of both.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let nonce = nonce().as_str().to_owned();
    let frame = prop::sample::select(vec![
        "begin",
        "start 0",
        "start 1",
        "start 99999999999999999999",
        "out 0",
        "err 1",
        "found 0",
        "end 0 changed - 5",
        "end 1 failed 3 -",
        "end 0 stale - -",
        "done",
        "fault",
        "refused",
        "left x",
        "busy x",
        "end",
        "",
    ])
    .prop_map(move |words| format!("\n{nonce} {words}\n").into_bytes());
    let noise = prop::collection::vec(any::<u8>(), 0..400);
    prop::collection::vec(prop_oneof![3 => frame, 1 => noise], 0..30).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_events(bytes in stream(), sizes in prop::collection::vec(1..40_usize, 1..20)) {
        let whole = OutcomeReader::new(&nonce(), 2, &limits()).push(&bytes);
        let mut reader = OutcomeReader::new(&nonce(), 2, &limits());
        let (mut rest, mut events) = (bytes.as_slice(), Vec::new());
        for size in sizes.iter().cycle() {
            if rest.is_empty() { break }
            let (piece, tail) = rest.split_at((*size).min(rest.len()));
            events.extend(reader.push(piece));
            rest = tail;
        }
        prop_assert_eq!(events, whole);
    }

    #[test]
    fn without_the_nonce_nothing_is_a_frame(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert_eq!(OutcomeReader::new(&nonce(), 3, &limits()).push(&bytes), []);
    }
}

#[test]
fn a_host_cannot_make_us_keep_more_than_the_limits() {
    let nonce = nonce();
    let mut reader = OutcomeReader::new(&nonce, 1, &limits());
    reader.push(format!("{0} begin\n{0} start 0\n{0} out 0\n", nonce.as_str()).as_bytes());
    for _ in 0..1000 {
        assert_eq!(reader.push(&[b'x'; 4096]), []);
    }
    let events = reader.push(format!("\n{} end 0 changed - -\n", nonce.as_str()).as_bytes());
    let [ApplyEvent::Ended { report, .. }] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(report.stdout.len(), limits().output_bytes_max);
}
