//! `ifrit version-compare`.

use std::cmp::Ordering;
use std::io::{self, BufRead as _, Write as _};

use model::Ecosystem;
use model::version::VersionScheme;

use crate::arguments::VersionCompareArguments;
use crate::exit::Exit;
use crate::failure::UsageError;
use crate::printer::Printer;

pub fn run(arguments: &VersionCompareArguments, printer: &mut Printer) -> anyhow::Result<Exit> {
    let scheme = parse_scheme(&arguments.ecosystem)?;
    match arguments.versions.as_slice() {
        [a, b] => {
            let (line, fault) = compare(scheme, a, b);
            printer.data(line);
            Ok(conclude(fault, printer))
        }
        _ => compare_lines(scheme, printer),
    }
}

fn parse_scheme(word: &str) -> Result<VersionScheme, UsageError> {
    let by_ecosystem = || Ecosystem::parse(word).map(Ecosystem::version_scheme);
    VersionScheme::parse(word).or_else(by_ecosystem).ok_or_else(|| {
        let known: Vec<_> = VersionScheme::ALL.iter().map(|scheme| scheme.as_str()).collect();
        UsageError(format!("unknown ecosystem `{word}`, expected one of {}", known.join(", ")))
    })
}

/// Answers each line of standard input with one line, so that answers can be pasted beside questions.
fn compare_lines(scheme: VersionScheme, printer: &mut Printer) -> anyhow::Result<Exit> {
    let mut output = io::BufWriter::new(io::stdout().lock());
    let mut first_fault = None;
    for (number, line) in io::stdin().lock().split(b'\n').enumerate() {
        let line = String::from_utf8_lossy(&line?).into_owned();
        let words: Vec<_> = line.split_whitespace().collect();
        let (answer, fault) = match words.as_slice() {
            [] => continue,
            [a, b] => compare(scheme, a, b),
            _ => ("?".to_owned(), Some(format!("expected `A B`, got {line:?}"))),
        };
        if writeln!(output, "{answer}").is_err() {
            break;
        }
        first_fault = first_fault.or(fault.map(|fault| format!("standard input:{}: {fault}", number + 1)));
    }
    output.flush().ok();
    drop(output);
    Ok(conclude(first_fault, printer))
}

fn compare(scheme: VersionScheme, a: &str, b: &str) -> (String, Option<String>) {
    match scheme.compare(a, b) {
        Ok(ordering) => (format!("{a} {} {b}", sign(ordering)), None),
        Err(error) => (format!("{a} ? {b}"), Some(error.to_string())),
    }
}

fn sign(ordering: Ordering) -> char {
    match ordering {
        Ordering::Less => '<',
        Ordering::Equal => '=',
        Ordering::Greater => '>',
    }
}

fn conclude(fault: Option<String>, printer: &mut Printer) -> Exit {
    match fault {
        None => Exit::Nothing,
        Some(fault) => {
            printer.complain(format_args!("error: {fault}"));
            Exit::NoAnswer
        }
    }
}
