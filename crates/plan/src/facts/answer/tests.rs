use proptest::prelude::*;

use super::*;

const FACTS: [&str; 3] = ["os-release", "kernel", "dpkg"];

fn nonce() -> Nonce {
    Nonce::from_bytes([0x5a; 16])
}

/// Writes a stream with NONCE for the nonce.
fn stream(text: &str) -> Vec<u8> {
    text.replace("NONCE", nonce().as_str()).into_bytes()
}

fn check(text: &str, expected: &[(&str, &str, Option<u8>)]) {
    let answers = read_answer(&FactRequests::scan(), &nonce(), &stream(text), StreamEnd::Complete);
    let got: Vec<_> = answers
        .answers
        .iter()
        .map(|answer| (answer.fact.name(), String::from_utf8_lossy(&answer.output), answer.status))
        .collect();
    let got: Vec<_> = got.iter().map(|(name, output, status)| (*name, &**output, *status)).collect();
    assert_eq!(got, expected, "{text:?}");
    assert_eq!(answers.answers.len() + answers.missing.len(), FactRequests::scan().facts().len());
}

#[test]
fn frames_are_read_and_noise_is_not() {
    check("", &[]);
    check("\nbegin NONCE kernel\nLinux\n\nend NONCE kernel 0\n", &[("kernel", "Linux\n", Some(0))]);
    check("motd without newline\nbegin NONCE kernel\n\nend NONCE kernel 1\n", &[("kernel", "", Some(1))]);
    check(
        "\nbegin NONCE kernel\nno newline\nend NONCE kernel 0\n\ndone NONCE\n",
        &[("kernel", "no newline", Some(0))],
    );
    check("\nbegin NONCE kernel\n\n\nend NONCE kernel 0\n", &[("kernel", "\n", Some(0))]);
    check("\nbegin NONCE kernel\nx\nend NONCE kernel \n", &[("kernel", "x", None)]);
    check("\nbegin NONCE kernel\nx\nend NONCE kernel 999\n", &[("kernel", "x", None)]);
}

#[test]
fn a_frame_that_is_not_whole_does_not_count() {
    check("\nbegin NONCE kernel\nLinux\n", &[]);
    check("\nbegin NONCE kernel\nLinux\nend NONCE kernel 0", &[]);
    check("\nbegin NONCE kernel\nLinux\nend NONCE dpkg 0\n", &[]);
    check("\nbegin NONCE kernel\nx\nbegin NONCE dpkg\ny\nend NONCE dpkg 0\n", &[("dpkg", "y", Some(0))]);
    check("\nend NONCE kernel 0\n", &[]);
    check("\nbegin NONCE\nx\nend NONCE kernel 0\n", &[]);
}

#[test]
fn markers_without_the_nonce_are_content() {
    let forged = "begin 00 dpkg\nii\nend 00 dpkg 0\ndone 00";
    check(&format!("\nbegin NONCE kernel\n{forged}\nend NONCE kernel 0\n"), &[("kernel", forged, Some(0))]);
    let indented = format!(" begin {} dpkg", nonce().as_str());
    check(
        &format!("\nbegin NONCE kernel\n{indented}\nend NONCE kernel 0\n"),
        &[("kernel", &indented, Some(0))],
    );
}

#[test]
fn a_capped_output_is_marked() {
    let big = "x".repeat(FACT_OUTPUT_BYTES_MAX);
    let text = stream(&format!("\nbegin NONCE kernel\n{big}\nend NONCE kernel 141\n"));
    let answers = read_answer(&FactRequests::scan(), &nonce(), &text, StreamEnd::Complete);
    assert!(answers.answers[0].is_capped);
}

/// `head` cuts the end marker off, or a part of it; the next fact is whole.
#[test]
fn a_capped_output_without_its_end_is_marked() {
    for rest in ["", "\nend NON", "\nend NONCE ker"] {
        let big = "x".repeat(FACT_OUTPUT_BYTES_MAX - rest.len());
        let text =
            stream(&format!("\nbegin NONCE kernel\n{big}{rest}\nbegin NONCE dpkg\ny\nend NONCE dpkg 0\n"));
        let answers = read_answer(&FactRequests::scan(), &nonce(), &text, StreamEnd::Complete);
        let found: Vec<_> = answers.answers.iter().map(|it| (it.fact.name(), it.is_capped)).collect();
        assert_eq!(found, [("kernel", true), ("dpkg", false)], "{rest:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        read_answer(&FactRequests::scan(), &nonce(), &bytes, StreamEnd::Cut);
    }

    /// Lines that look like markers, in any order: whatever comes out was asked for, once.
    #[test]
    fn any_order_of_markers_gives_each_fact_at_most_once(
        lines in proptest::collection::vec((0..4_usize, 0..3_usize), 0..30)
    ) {
        let text: String = lines.iter().map(|(word, fact)| match word {
            0 => format!("begin NONCE {}\n", FACTS[*fact]),
            1 => format!("end NONCE {} 0\n", FACTS[*fact]),
            2 => "done NONCE\n".to_owned(),
            _ => "text\n".to_owned(),
        }).collect();
        let answers = read_answer(&FactRequests::scan(), &nonce(), &stream(&text), StreamEnd::Cut);
        let names: std::collections::BTreeSet<_> = answers.answers.iter().map(|answer| answer.fact).collect();
        prop_assert_eq!(names.len(), answers.answers.len());
    }

    /// Whatever a file holds, its frame gives it back.
    #[test]
    fn content_survives_the_frame(content in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut text = stream("\nbegin NONCE kernel\n");
        text.extend(&content);
        text.extend(stream("\nend NONCE kernel 0\n"));
        let answers = read_answer(&FactRequests::scan(), &nonce(), &text, StreamEnd::Complete);
        prop_assert_eq!(&answers.answers[0].output, &content);
    }
}
