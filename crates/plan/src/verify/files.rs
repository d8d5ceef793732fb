//! Rung 2: the files on disk against the checksums that the package brought.

use model::Verdict;

use super::{Judged, VerifyPackage, few};

/// Folders whose files many installations leave out on purpose (`path-exclude` of dpkg.cfg(5)).
const LEFT_OUT: [&str; 5] =
    ["/usr/share/doc/", "/usr/share/man/", "/usr/share/info/", "/usr/share/locale/", "/usr/share/lintian/"];

/// What a package manager says of one file.
enum Difference<'a> {
    /// It is not as the package brought it.
    Changed(&'a str),
    /// A file of configuration, which its owner may change.
    Configuration(&'a str),
    /// It was never unpacked, or removed, and nobody runs it.
    LeftOut,
    /// It could not be read.
    Unreadable(&'a str),
}

pub(super) fn judge(package: &VerifyPackage, said: &str) -> Judged {
    let name = package.name.as_str();
    let of_package = |word: &str, line: &'_ str| -> Option<String> {
        let rest = line.strip_prefix(word)?.strip_prefix(' ')?;
        let rest = rest.strip_prefix(name)?;
        (rest.is_empty() || rest.starts_with(' ')).then(|| rest.trim_start().to_owned())
    };
    let complaints: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("said ")).collect();
    let has_sums = said.lines().any(|line| of_package("sums", line).is_some());
    if !has_sums && complaints.is_empty() {
        return Judged::new(Verdict::Unknown, "the package has no checksums on this host");
    }
    // A shell's own statuses: the package manager never ran, or was killed.
    let status = said.lines().find_map(|line| line.strip_prefix("status ")?.parse::<u16>().ok());
    if let Some(status) = status.filter(|status| *status >= 126) {
        return Judged::new(Verdict::Unknown, format!("the package manager ended with status {status}"));
    }
    let lines: Vec<String> = said.lines().filter_map(|line| of_package("file", line)).collect();
    let (mut changed, mut configuration, mut unreadable) = (Vec::new(), Vec::new(), Vec::new());
    for line in &lines {
        match read(line) {
            Difference::Changed(path) => changed.push(path),
            Difference::Configuration(path) => configuration.push(path),
            Difference::Unreadable(path) => unreadable.push(path),
            Difference::LeftOut => {}
        }
    }
    if !changed.is_empty() {
        let why = format!("not as the package brought them: {}", few(changed));
        return Judged::new(Verdict::Failed, why);
    }
    if !unreadable.is_empty() {
        return Judged::new(Verdict::Unknown, format!("cannot be read: {}", few(unreadable)));
    }
    // It went wrong and nobody said where. Where others of the call have a line, the status is theirs.
    let has_reason = said.lines().any(|line| line.starts_with("file ")) || !complaints.is_empty();
    match status {
        Some(0) => {}
        Some(_) if has_reason => {}
        Some(status) => {
            let why = format!("the package manager ended with status {status}, and did not say why");
            return Judged::new(Verdict::Unknown, why);
        }
        None if complaints.is_empty() => {
            return Judged::new(Verdict::Unknown, "the package manager could not be asked");
        }
        None => {}
    }
    // What was said of no file may be about any of them.
    if let Some(first) = complaints.first() {
        let first: String = first.chars().take(200).collect();
        return Judged::new(Verdict::Unknown, format!("the package manager complains: {first}"));
    }
    let changed_by_owner = match configuration.as_slice() {
        [] => String::new(),
        files => format!("; configuration changed on the host: {}", few(files.iter().copied())),
    };
    Judged::new(Verdict::Passed, format!("its files are as the package brought them{changed_by_owner}"))
}

/// Reads a line of `dpkg -V` (`??5?????? c /etc/x`, `missing   /usr/x`), of `apk audit --system` (`U usr/x`) or
/// of `pkg check -s` (`name-1.0: checksum mismatch for /usr/local/x`).
fn read(line: &str) -> Difference<'_> {
    let path = match line.find(" /") {
        Some(at) => &line[at + 1..],
        None => line.rsplit(' ').next().unwrap_or(line),
    };
    let path = path.split(" (").next().unwrap_or(path);
    if LEFT_OUT.iter().any(|folder| path.starts_with(folder)) && line.starts_with("missing") {
        return Difference::LeftOut;
    }
    let flags = line.split(' ').next().unwrap_or_default();
    let is_dpkg = flags.len() == 9 && flags.bytes().all(|byte| b"?.5SMDLUGTPC".contains(&byte));
    if is_dpkg {
        let is_configuration = line[flags.len()..].trim_start().starts_with("c ");
        return match flags.as_bytes()[2] {
            _ if is_configuration => Difference::Configuration(path),
            b'5' => Difference::Changed(path),
            _ => Difference::Unreadable(path),
        };
    }
    let is_configuration =
        line.starts_with("missing") && line["missing".len()..].trim_start().starts_with("c ");
    if is_configuration || line.starts_with("U etc/") {
        return Difference::Configuration(path);
    }
    Difference::Changed(path)
}
