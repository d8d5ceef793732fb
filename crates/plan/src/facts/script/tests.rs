use std::io::Write as _;
use std::process::{Command, Stdio};

use super::*;
use crate::facts::{StreamEnd, read_answer};

/// The shells that a script must survive in, as far as this machine has them.
const SHELLS: [&[&str]; 4] = [&["dash"], &["busybox", "ash"], &["bash", "--posix"], &["sh"]];

pub(in crate::facts) fn run(shell: &[&str], stdin: &[u8]) -> Option<Vec<u8>> {
    let mut child = Command::new(shell[0])
        .args(&shell[1..])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    // A shell that met an error stops reading.
    child.stdin.take().expect("stdin is piped").write_all(stdin).ok();
    Some(child.wait_with_output().expect("the shell ends").stdout)
}

#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
pub(in crate::facts) fn is_here(shell: &[&str]) -> bool {
    let is_here = run(shell, b"").is_some();
    if !is_here {
        eprintln!("SKIPPED: this machine has no {}", shell[0]);
    }
    is_here
}

pub(in crate::facts) fn shells() -> impl Iterator<Item = &'static [&'static str]> {
    SHELLS.into_iter().filter(|shell| is_here(shell))
}

#[test]
fn a_cut_script_runs_nothing() {
    let script = script(&FactRequests::scan(), &Nonce::from_bytes([7; 16]));
    // Without its last newline the script is whole; that cut may run all of it, or nothing.
    let cuts: Vec<usize> = (0..script.len() - 1).collect();
    let check = |shell: &[&str], cuts: &[usize]| {
        for &cut in cuts {
            let stdout = run(shell, &script[..cut]).expect("the shell was there");
            assert_eq!(stdout, b"", "{shell:?}, cut after {cut} of {} bytes", script.len());
        }
    };
    std::thread::scope(|scope| {
        // The shell that runs truncated lines meets every cut, the other one a sample and every
        // line's end; the step is a prime, so that it falls in with nothing.
        for shell in shells().filter(|shell| shell[0] != "sh" && shell[0] != "bash") {
            let is_kept = |cut: &usize| {
                shell[0] == "dash"
                    || cut.is_multiple_of(13)
                    || script[..*cut].ends_with(b"\n")
                    || cut + 200 > script.len()
            };
            let cuts: Vec<usize> = cuts.iter().copied().filter(is_kept).collect();
            for part in cuts.chunks(cuts.len().div_ceil(2)) {
                let part = part.to_vec();
                scope.spawn(move || check(shell, &part));
            }
        }
    });
}

#[test]
fn the_script_answers_every_fact_in_every_shell() {
    let (requests, nonce) = (FactRequests::scan(), Nonce::from_bytes([0xab; 16]));
    let mut count = 0;
    for shell in shells() {
        let stdout = run(shell, &script(&requests, &nonce)).expect("the shell was there");
        let answers = read_answer(&requests, &nonce, &stdout, StreamEnd::Complete);
        let text = String::from_utf8_lossy(&stdout);
        assert_eq!(answers.missing, [], "{shell:?}: {text}");
        assert!(answers.answers.iter().all(|answer| answer.status.is_some()), "{shell:?}: {answers:?}");
        assert!(text.ends_with(&format!("\ndone {}\n", nonce.as_str())), "{shell:?}");
        count += 1;
    }
    assert!(count > 0, "this machine has no shell");
}

/// With a small cap in place of the real one: a long answer loses its end, the others are whole.
#[test]
fn a_long_answer_costs_only_itself() {
    let nonce = Nonce::from_bytes([5; 16]);
    let text = String::from_utf8(script(&FactRequests::scan(), &nonce)).expect("text");
    let small = text.replace(&format!("head -c {FACT_OUTPUT_BYTES_MAX}"), "head -c 300");
    assert_ne!(small, text);
    for shell in shells() {
        let stdout = run(shell, small.as_bytes()).expect("the shell was there");
        let stdout = String::from_utf8_lossy(&stdout).into_owned();
        let end = |fact: &str| stdout.contains(&format!("\nend {} {fact} 0\n", nonce.as_str()));
        assert!(end("kernel") && !end("accounts"), "{shell:?}: {stdout}");
        assert!(stdout.ends_with(&format!("\ndone {}\n", nonce.as_str())), "{shell:?}");
    }
}

#[test]
fn a_nonce_is_32_hexadecimal_digits() {
    let nonce = Nonce::from_bytes([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255]);
    assert_eq!(nonce.as_str(), "000102030405060708090a0b0c0d0eff");
}

#[test]
fn a_script_has_no_carriage_return_and_no_tab() {
    // Either would be read by the shell as part of a word or by a terminal as something else.
    let script = script(&FactRequests::scan(), &Nonce::from_bytes([1; 16]));
    assert!(script.iter().all(|byte| *byte == b'\n' || (b' '..=b'~').contains(byte)));
}
