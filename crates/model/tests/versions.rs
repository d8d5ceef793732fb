//! Compares the version orders with what the real tools answer: labelled pairs in the shared data
//! (apk 3.0.6, libpkg, apk-tools' own, osv-scalibr's) and the dpkg of this machine.

use std::cmp::Ordering;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use model::version::VersionScheme;

/// Operators of dependencies in apk-tools' data that are no order: fuzzy matches by prefix (`~`, `<~`,
/// `>~`) and their negation. No advisory states one, so there is nothing to honour them with.
const FUZZY_OPERATORS: [&str; 4] = ["~", "!~", "<~", ">~"];

#[derive(Debug, Default, PartialEq)]
struct Counts {
    pairs: usize,
    validity: usize,
    fuzzy: usize,
}

#[test]
fn apk_tools_own_data() {
    // 788 lines, of which 3 are empty.
    check("apk-version.data", VersionScheme::Apk, Counts { pairs: 738, validity: 31, fuzzy: 16 });
}

#[test]
fn apk_real_pairs() {
    check("apk-real-pairs.txt", VersionScheme::Apk, Counts { pairs: 52_408, ..Counts::default() });
}

#[test]
fn freebsd_real_pairs() {
    check("freebsd-real-pairs.txt", VersionScheme::FreeBsd, Counts { pairs: 12_559, ..Counts::default() });
}

#[test]
fn debian_pairs() {
    let generated = "scalibr-debian-versions-generated.txt";
    check(generated, VersionScheme::Dpkg, Counts { pairs: 14_442, ..Counts::default() });
    check("scalibr-debian-versions.txt", VersionScheme::Dpkg, Counts { pairs: 30, ..Counts::default() });
}

#[test]
fn rpm_pairs() {
    check("scalibr-redhat-versions.txt", VersionScheme::Rpm, Counts { pairs: 165, ..Counts::default() });
}

/// Checks every line of a file of the shared data: `a < b`, `version` (valid) or `!version` (invalid).
fn check(file: &str, scheme: VersionScheme, expected: Counts) {
    let Some(path) = shared_data(&format!("versions/{file}")) else { return };
    let text = std::fs::read_to_string(&path).expect("the shared data is readable");
    let mut counts = Counts::default();
    let mut wrong = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split('#').next().unwrap_or_default().split_whitespace().collect();
        match words[..] {
            [] => {}
            [_, operator, _] if FUZZY_OPERATORS.contains(&operator) => counts.fuzzy += 1,
            [a, operator, b] => {
                counts.pairs += 1;
                let order = Ok(order(operator));
                let reverse = order.clone().map(Ordering::reverse);
                if scheme.compare(a, b) != order || scheme.compare(b, a) != reverse {
                    wrong.push(line);
                }
            }
            [word] => {
                counts.validity += 1;
                let (version, is_valid) =
                    word.strip_prefix('!').map_or((word, true), |version| (version, false));
                if scheme.is_valid(version) != is_valid {
                    wrong.push(line);
                }
            }
            _ => panic!("{file}: cannot read the line `{line}`"),
        }
    }
    report(&format!("{file}: {counts:?}, wrong: {}", wrong.len()));
    assert!(
        wrong.is_empty(),
        "{file}: {} wrong answers, the first: {:#?}",
        wrong.len(),
        &wrong[..wrong.len().min(20)]
    );
    assert_eq!(counts, expected, "{file}");
}

fn order(operator: &str) -> Ordering {
    match operator {
        "<" => Ordering::Less,
        "=" => Ordering::Equal,
        ">" => Ordering::Greater,
        _ => panic!("unknown operator `{operator}`"),
    }
}

/// How many generated pairs the real dpkg is asked about.
const DPKG_PAIRS: usize = 400;

#[test]
fn dpkg_of_this_machine_agrees() {
    if Command::new("dpkg").arg("--version").stdout(Stdio::null()).status().is_err() {
        return report("SKIPPED: there is no dpkg on this machine");
    }
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for _ in 0..DPKG_PAIRS {
        let (a, b) = (numbers.version(), numbers.version());
        let ours = VersionScheme::Dpkg.compare(&a, &b);
        assert_eq!(ours.ok(), real_dpkg_order(&a, &b), "`{a}` against `{b}`");
        assert_eq!(VersionScheme::Dpkg.is_valid(&a), real_dpkg_accepts(&a), "validity of `{a}`");
    }
}

/// Asks dpkg; none where it refuses to compare.
fn real_dpkg_order(a: &str, b: &str) -> Option<Ordering> {
    let holds = |relation: &str| dpkg_exit_code(&["--compare-versions", a, relation, b]);
    match (holds("lt"), holds("eq")) {
        (0, 1) => Some(Ordering::Less),
        (1, 0) => Some(Ordering::Equal),
        (1, 1) => Some(Ordering::Greater),
        (2, 2) => None,
        codes => panic!("dpkg answers {codes:?} for `{a}` and `{b}`"),
    }
}

fn real_dpkg_accepts(version: &str) -> bool {
    dpkg_exit_code(&["--validate-version", version]) == 0
}

fn dpkg_exit_code(arguments: &[&str]) -> i32 {
    let status = Command::new("dpkg").args(arguments).stderr(Stdio::null()).status().expect("dpkg runs");
    status.code().expect("dpkg ends by itself")
}

/// Numbers that are the same in each run (xorshift64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).map_or(0, |number| number % limit)
    }

    /// Makes a version of few pieces, so that pairs share beginnings, valid or not.
    fn version(&mut self) -> String {
        const STARTS: [&str; 8] = ["1", "1", "1.", "1:1", "0:1", "2", "a", "1:2147483648:"];
        const PIECES: [&str; 16] = [
            "0",
            "1",
            "2",
            "10",
            "00",
            "9999999999999999999999",
            ".",
            "-",
            "~",
            "+",
            "a",
            "Z",
            "_",
            ":",
            "-1",
            " ",
        ];
        let mut version = STARTS[self.below(STARTS.len())].to_owned();
        for _ in 0..self.below(5) {
            version.push_str(PIECES[self.below(PIECES.len())]);
        }
        version
    }
}

/// Returns a path in the shared data, or says that it is absent.
fn shared_data(path: &str) -> Option<PathBuf> {
    let beside_the_checkout = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let root =
        std::env::var_os("IFRIT_SHARED_DATA").map_or_else(|| beside_the_checkout.into(), PathBuf::from);
    let path = root.join(path);
    if !path.exists() {
        report(&format!("SKIPPED: {} is absent", path.display()));
        return None;
    }
    Some(path)
}

#[expect(clippy::print_stderr, reason = "a test that compares nothing must say so")]
fn report(message: &str) {
    eprintln!("{message}");
}
